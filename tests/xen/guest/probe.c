// Uses Xenstore as drivers and tools inside a guest do, through /dev/xen/xenbus and so through the
// ring, and prints one line per behaviour: "probe NAME ok (seconds)" or "probe NAME FAILED".
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

enum { kPatienceMs = 20000, kQuietMs = 300 };

static int failures;

static double since_last_report(void) {
  static struct timespec last;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  double seconds = (double)(now.tv_sec - last.tv_sec) + 1e-9 * (double)(now.tv_nsec - last.tv_nsec);
  last = now;
  return seconds;
}

static void report(const char* name, bool ok) {
  int error = errno;
  double seconds = since_last_report();
  if (ok) {
    printf("probe %s ok (%.3f s)\n", name, seconds);
  } else {
    printf("probe %s FAILED (errno %d, %.3f s)\n", name, error, seconds);
    ++failures;
  }
}

static bool put(struct xs_handle* xs, xs_transaction_t transaction, const char* path,
                const char* value) {
  return xs_write(xs, transaction, path, value, (unsigned)strlen(value));
}

// Whether `path` has exactly that value; NULL: whether there is no such node.
static bool holds(struct xs_handle* xs, xs_transaction_t transaction, const char* path,
                  const char* value) {
  unsigned length = 0;
  char* found = xs_read(xs, transaction, path, &length);
  bool ok = value ? found && length == strlen(value) && memcmp(found, value, length) == 0
                  : !found && errno == ENOENT;
  free(found);
  return ok;
}

static void single_requests(struct xs_handle* xs, unsigned domid) {
  report("read", xs_read(xs, XBT_NULL, "domid", &(unsigned){0}) != NULL);
  report("write", put(xs, XBT_NULL, "data/probe/a", "1") && holds(xs, XBT_NULL, "data/probe/a", "1"));

  char large[1900];  // the ring holds 1,024; a guest's node may hold 2,048
  memset(large, 'x', sizeof large - 1);
  large[sizeof large - 1] = 0;
  bool kept = put(xs, XBT_NULL, "data/probe/large", large) &&
              holds(xs, XBT_NULL, "data/probe/large", large);
  report("larger-than-the-ring", kept);

  unsigned count = 0;
  char** children = xs_directory(xs, XBT_NULL, "data/probe", &count);
  report("list", children && count == 2);
  free(children);
  report("remove", xs_rm(xs, XBT_NULL, "data/probe/a") && holds(xs, XBT_NULL, "data/probe/a", NULL));

  struct xs_permissions wanted[2] = {{.id = domid, .perms = XS_PERM_NONE},
                                     {.id = 0, .perms = XS_PERM_READ}};
  struct xs_permissions* found = NULL;
  bool ok = xs_set_permissions(xs, XBT_NULL, "data/probe/large", wanted, 2) &&
            (found = xs_get_permissions(xs, XBT_NULL, "data/probe/large", &count)) && count == 2 &&
            found[0].id == domid && found[1].id == 0 && found[1].perms == XS_PERM_READ;
  free(found);
  report("permissions", ok);

  errno = 0;
  report("forbidden", !put(xs, XBT_NULL, "/local/domain/0/probe", "1") && errno == EACCES);
}

static void transactions(struct xs_handle* xs) {
  put(xs, XBT_NULL, "data/probe/t", "before");
  xs_transaction_t t = xs_transaction_start(xs);
  bool inside = t != XBT_NULL && put(xs, t, "data/probe/t", "inside") &&
                holds(xs, t, "data/probe/t", "inside");
  report("transaction-isolated", inside && holds(xs, XBT_NULL, "data/probe/t", "before"));
  report("transaction-committed",
         xs_transaction_end(xs, t, false) && holds(xs, XBT_NULL, "data/probe/t", "inside"));

  t = xs_transaction_start(xs);
  put(xs, t, "data/probe/t", "never");
  report("transaction-aborted",
         xs_transaction_end(xs, t, true) && holds(xs, XBT_NULL, "data/probe/t", "inside"));

  t = xs_transaction_start(xs);
  bool read = holds(xs, t, "data/probe/t", "inside");
  put(xs, XBT_NULL, "data/probe/t", "changed meanwhile");
  put(xs, t, "data/probe/derived", "from inside");
  errno = 0;
  bool refused = !xs_transaction_end(xs, t, false) && errno == EAGAIN;
  report("transaction-conflict", read && refused && holds(xs, XBT_NULL, "data/probe/derived", NULL));
}

// The path of the next event, empty if none comes in time.
static const char* next_event(struct xs_handle* xs, int patience_ms) {
  static char path[256];
  path[0] = 0;
  struct pollfd ready = {.fd = xs_fileno(xs), .events = POLLIN};
  if (poll(&ready, 1, patience_ms) == 1) {
    char** event = xs_check_watch(xs);
    if (event) snprintf(path, sizeof path, "%s", event[XS_WATCH_PATH]);
    free(event);
  }
  return path;
}

static void watches(struct xs_handle* xs) {
  bool set = xs_watch(xs, "data/probe", "token");
  report("watch-first-event", set && strcmp(next_event(xs, kPatienceMs), "data/probe") == 0);
  put(xs, XBT_NULL, "data/probe/w/below", "1");
  report("watch-fires", strcmp(next_event(xs, kPatienceMs), "data/probe/w/below") == 0);
  put(xs, XBT_NULL, "data/elsewhere", "1");
  report("watch-quiet", next_event(xs, kQuietMs)[0] == 0);
  xs_unwatch(xs, "data/probe", "token");
  put(xs, XBT_NULL, "data/probe/w/below", "2");
  report("watch-removed", next_event(xs, kQuietMs)[0] == 0);
  xs_rm(xs, XBT_NULL, "data/elsewhere");
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  alarm(90);  // a daemon that never answers
  struct xs_handle* xs = xs_open(0);
  unsigned length = 0;
  char* domid = xs ? xs_read(xs, XBT_NULL, "domid", &length) : NULL;
  if (!domid) {
    printf("probe open FAILED (errno %d)\n", errno);
    return 1;
  }
  since_last_report();
  single_requests(xs, (unsigned)atoi(domid));
  transactions(xs);
  watches(xs);
  xs_rm(xs, XBT_NULL, "data/probe");
  free(domid);
  xs_close(xs);
  return failures == 0 ? 0 : 1;
}
