#include "store/migration/loss.hh"

#include "protocol/escape.hh"

namespace vxs::store::migration {
namespace {

std::string who(const Loss& loss) {
  std::string text;
  if (loss.domid) text = "domain " + std::to_string(*loss.domid);
  if (loss.connection != 0) {
    if (!text.empty()) text += ", ";
    text += "connection " + std::to_string(loss.connection);
  }
  return text.empty() ? "all domains" : text;
}

std::string watch(const Loss& loss) {
  return "the watch on " + protocol::escaped(loss.name) + " (token " +
         protocol::escaped(loss.token) + ")";
}

std::string what(const Loss& loss) {
  const std::string number = std::to_string(loss.number);
  switch (loss.kind) {
    case Loss::Kind::kWatchDepth:
      return watch(loss) + " loses its depth of " + number + ": it fires at any depth";
    case Loss::Kind::kFeatures:
      return "the features that were set (" + number + ") are lost";
    case Loss::Kind::kDomainQuota:
    case Loss::Kind::kGlobalQuota:
      return "the quota " + protocol::escaped(loss.name) + " = " + number +
             " is known to xenstored 4.22 and newer only";
    case Loss::Kind::kDomain:
      return "it has no ring and owns no node: features and quotas that were set are lost";
    case Loss::Kind::kWatch:
      return watch(loss) + " is lost with its connection";
  }
  return "";
}

}  // namespace

std::string describe(const Loss& loss) { return who(loss) + ": " + what(loss); }

std::string_view loss_name(Loss::Kind kind) noexcept {
  switch (kind) {
    case Loss::Kind::kWatchDepth:
      return "watch-depth";
    case Loss::Kind::kFeatures:
      return "features";
    case Loss::Kind::kDomainQuota:
      return "domain-quota";
    case Loss::Kind::kGlobalQuota:
      return "global-quota";
    case Loss::Kind::kDomain:
      return "domain";
    case Loss::Kind::kWatch:
      return "watch";
  }
  return "";
}

}  // namespace vxs::store::migration
