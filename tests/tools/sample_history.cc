#include "tests/tools/sample_history.hh"

namespace vxs::test {
namespace {

constexpr const char* kBoot = "Boot: 8c2f0000-0000-4000-8000-000000000001\n";

std::int64_t time_of(int seq) { return kFirstTime + 10 * seq; }

std::string trailers(int seq, const std::string& more) {
  return "\n\nSeq: " + std::to_string(seq) + "\n" + more + kBoot;
}

Model initial_model() {
  Model model;
  model["/"] = {"", "n0", "1.0", true, false, false};
  model["/tool"] = {"", "n0", "1.1", true, false, false};
  model["/tool/xenstored"] = {"", "n0", "1.2", false, false, false};
  return model;
}

void add_domain(Model& model) {
  model["/local"] = {"", "n0", "4.0", true, false, false};
  model["/local/domain"] = {"", "n0", "4.1", true, true, false};
  model["/local/domain/5"] = {"", "n5#1,r0", "4.2", true, false, false};
  model["/local/domain/5/data"] = {"", "n5#1", "4.3", false, false, false};
  model["/local/domain/5/" + kLongName] = {"long", "n5#1", "4.4", false, false, false};
}

}  // namespace

SampleHistory write_sample_history(LayoutRepo& repository) {
  SampleHistory history;
  Model model = initial_model();
  const auto commit = [&](const Model& tree, const std::vector<store::ObjectId>& parents,
                          const std::string& author, int seq, const std::string& message) {
    return repository.write_commit(repository.write_tree(tree), parents, author, time_of(seq),
                                   message);
  };
  history.initial =
      commit(model, {}, "vxenstored", 1,
             "daemon: initial tree" + trailers(1,
                                               "Domain: daemon\nRequest: create /tool \"\"\n"
                                               "Request: create /tool/xenstored \"\"\n"));

  const std::string socket = "Domain: 0\nConnection: 17 pid=812 uid=0 command=xenstore-write\n";
  model["/tool/example"] = {"hello", "n0", "3.0", false, false, false};
  history.create = commit(model, {history.initial}, "dom0", 3,
                          "dom0 create /tool/example hello" +
                              trailers(3, socket + "Request: create /tool/example hello\n"));

  add_domain(model);
  history.domain = commit(
      model, {history.create}, "dom0", 4,
      "dom0 transaction: 5 nodes under /local" +
          trailers(4, socket + "Transaction: 3\nBase-Seq: 3\nRequest: create+ /local \"\"\n" +
                          "Request: create+ /local/domain \"\"\n"
                          "Request: create /local/domain/5 \"\"\n"
                          "Request: … and 2 more\n"));

  const std::string guest = "Domain: 5\nIncarnation: 1\nConnection: 21\n";
  model["/local/domain/5/data"].value = kNastyValue;
  history.nasty = commit(model, {history.domain}, "dom5", 5,
                         "dom5 write data \"\"→\"a\\x1b[31mred\\0\\n\\\"\\\\\\xff\"" +
                             trailers(5, guest + "Request: write /local/domain/5/data "
                                                 "\"\"→\"a\\x1b[31mred\\0\\n\\\"\\\\\\xff\"\n"));

  model["/tool/example"].directory = true;
  model["/tool/example/child"] = {"1", "n0", "6.0", false, false, false};
  history.becomes_dir = commit(model, {history.nasty}, "dom0", 6,
                               "dom0 create /tool/example/child 1" +
                                   trailers(6, socket + "Request: create /tool/example/child 1\n"
                                                        "Became-Directory: /tool/example\n"));

  model["/tool/example/child"].perms = "n0,r5#1";
  history.perms = commit(model, {history.becomes_dir}, "dom0", 7,
                         "dom0 perms /tool/example/child n0,r5#1" +
                             trailers(7, socket + "Request: perms /tool/example/child n0,r5#1\n"));
  const Model base = model;

  model["/tool"].fanned = true;
  history.split =
      commit(model, {history.perms}, "vxenstored", 7,
             std::string("split /tool into buckets\n\nAfter-Seq: 7\nSplit: /tool\n") + kBoot);

  model["/tool/other"] = {"x", "n0", "8.0", false, false, false};
  history.beside =
      commit(model, {history.split}, "dom0", 8,
             "dom0 create /tool/other x" + trailers(8, socket + "Request: create /tool/other x\n"));

  Model branch = base;
  branch["/local/domain/5/data"].value = "merged";
  const std::string transaction = guest + "Transaction: 7\nBase-Seq: 7\n";
  history.branch =
      commit(branch, {history.perms}, "dom5", 9,
             "dom5 transaction: 1 nodes under /local/domain/5" +
                 trailers(9, transaction + "Request: write /local/domain/5/data "
                                           "\"a\\x1b[31mred\\0\\n\\\"\\\\\\xff\"→merged\n"));
  model["/local/domain/5/data"].value = "merged";
  history.merge =
      commit(model, {history.beside, history.branch}, "dom5", 9,
             "merge dom5 transaction 7: 1 nodes under /local/domain/5" + trailers(9, transaction));

  Model failed = base;
  failed["/tool/third"] = {"never", "n0", "10.0", false, false, false};
  history.failed = commit(
      failed, {history.perms}, "dom5", 10,
      "conflict dom5 transaction 8: 1 nodes under /tool" +
          trailers(10, guest + "Transaction: 8\nBase-Seq: 7\nRequest: create /tool/third never\n"
                               "Conflicts-With: seq=8 domain=0 request=DIRECTORY path=/tool\n"));
  repository.set_ref("refs/conflicts/10", history.failed);

  model.erase("/tool/example");
  model.erase("/tool/example/child");
  history.remove =
      commit(model, {history.merge}, "dom0", 11,
             "dom0 rm /tool/example" + trailers(11, socket + "Request: rm /tool/example\n"));
  repository.set_ref("refs/heads/main", history.remove);
  return history;
}

}  // namespace vxs::test
