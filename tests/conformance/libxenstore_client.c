/* Every call of libxenstore against the daemon at $XENSTORED_RUNDIR/socket.
 * Prints "all passed" and exits 0, or names the line that did not hold. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenstore.h>
#include <xenstore_lib.h>

#define CHECK(condition)                                               \
  do {                                                                 \
    if (!(condition)) {                                                \
      printf("line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
      exit(1);                                                         \
    }                                                                  \
  } while (0)

static const char* const kRoot = "/libxenstore";

static int value_is(struct xs_handle* xs, xs_transaction_t tx, const char* path,
                    const char* expected) {
  unsigned int length = 0;
  void* value = xs_read(xs, tx, path, &length);
  const int same =
      value != NULL && length == strlen(expected) && memcmp(value, expected, length) == 0;
  free(value);
  return same;
}

static int is_text(char* text, const char* expected) {
  const int same = text != NULL && strcmp(text, expected) == 0;
  free(text);
  return same;
}

static void nodes(struct xs_handle* xs) {
  unsigned int length = 0;
  CHECK(xs_mkdir(xs, XBT_NULL, kRoot));
  CHECK(xs_mkdir(xs, XBT_NULL, kRoot));
  CHECK(xs_write(xs, XBT_NULL, "/libxenstore/a", "va\0lue", 6));
  char* value = xs_read(xs, XBT_NULL, "/libxenstore/a", &length);
  CHECK(value != NULL && length == 6 && memcmp(value, "va\0lue", 7) == 0);
  free(value);
  CHECK(xs_read(xs, XBT_NULL, "/libxenstore/missing", &length) == NULL && errno == ENOENT);
  CHECK(xs_read(xs, XBT_NULL, "/bad//path", &length) == NULL && errno == EINVAL);
  CHECK(xs_write(xs, XBT_NULL, "/libxenstore/z", "", 0));
  CHECK(value_is(xs, XBT_NULL, "/libxenstore/z", ""));

  char** names = xs_directory(xs, XBT_NULL, kRoot, &length);
  CHECK(names != NULL && length == 2 && strcmp(names[0], "a") == 0 && strcmp(names[1], "z") == 0);
  free(names);
  CHECK(xs_directory(xs, XBT_NULL, "/libxenstore/missing", &length) == NULL && errno == ENOENT);

  CHECK(xs_rm(xs, XBT_NULL, "/libxenstore/z"));
  CHECK(xs_rm(xs, XBT_NULL, "/libxenstore/z"));
  CHECK(!xs_rm(xs, XBT_NULL, "/libxenstore/no/such") && errno == ENOENT);
}

/* More names than one message holds: the library asks part by part. */
static void long_directory(struct xs_handle* xs) {
  char path[64];
  unsigned int count = 0;
  for (int i = 0; i < 1000; ++i) {
    snprintf(path, sizeof path, "/libxenstore/many/name%04d", i);
    CHECK(xs_write(xs, XBT_NULL, path, "", 0));
  }
  char** names = xs_directory(xs, XBT_NULL, "/libxenstore/many", &count);
  CHECK(names != NULL && count == 1000);
  CHECK(strcmp(names[0], "name0000") == 0 && strcmp(names[999], "name0999") == 0);
  free(names);
  CHECK(xs_rm(xs, XBT_NULL, "/libxenstore/many"));
}

static void permissions(struct xs_handle* xs) {
  struct xs_permissions set[2] = {{.id = 0, .perms = XS_PERM_NONE},
                                  {.id = 5, .perms = XS_PERM_READ | XS_PERM_WRITE}};
  unsigned int count = 0;
  CHECK(xs_set_permissions(xs, XBT_NULL, "/libxenstore/a", set, 2));
  struct xs_permissions* got = xs_get_permissions(xs, XBT_NULL, "/libxenstore/a", &count);
  CHECK(got != NULL && count == 2);
  CHECK(got[0].id == 0 && got[0].perms == XS_PERM_NONE);
  CHECK(got[1].id == 5 && got[1].perms == (XS_PERM_READ | XS_PERM_WRITE));
  free(got);
  CHECK(xs_get_permissions(xs, XBT_NULL, "/libxenstore/missing", &count) == NULL);
  CHECK(errno == ENOENT);
  CHECK(xs_strings_to_perms(set, 2, "n0\0r7") && set[1].id == 7);
}

static void transactions(struct xs_handle* xs, struct xs_handle* other) {
  unsigned int length = 0;
  xs_transaction_t tx = xs_transaction_start(xs);
  CHECK(tx != XBT_NULL);
  CHECK(xs_write(xs, tx, "/libxenstore/t", "1", 1));
  CHECK(value_is(xs, tx, "/libxenstore/t", "1"));
  CHECK(xs_read(other, XBT_NULL, "/libxenstore/t", &length) == NULL && errno == ENOENT);
  CHECK(xs_transaction_end(xs, tx, false));
  CHECK(value_is(other, XBT_NULL, "/libxenstore/t", "1"));

  tx = xs_transaction_start(xs);
  CHECK(xs_write(xs, tx, "/libxenstore/t", "2", 1));
  CHECK(xs_transaction_end(xs, tx, true));
  CHECK(value_is(xs, XBT_NULL, "/libxenstore/t", "1"));

  tx = xs_transaction_start(xs);
  CHECK(value_is(xs, tx, "/libxenstore/t", "1"));
  CHECK(xs_write(other, XBT_NULL, "/libxenstore/t", "3", 1));
  CHECK(xs_write(xs, tx, "/libxenstore/u", "4", 1));
  CHECK(!xs_transaction_end(xs, tx, false) && errno == EAGAIN);
  CHECK(!xs_transaction_end(xs, tx, false) && errno == ENOENT);
}

static int event_is(char** event, const char* path, const char* token) {
  const int same = event != NULL && strcmp(event[XS_WATCH_PATH], path) == 0 &&
                   strcmp(event[XS_WATCH_TOKEN], token) == 0;
  free(event);
  return same;
}

static void watches(struct xs_handle* xs, struct xs_handle* other) {
  unsigned int count = 0;
  struct pollfd readable = {.fd = xs_fileno(xs), .events = POLLIN};
  CHECK(readable.fd >= 0);
  CHECK(xs_check_watch(xs) == NULL && errno == EAGAIN);
  CHECK(xs_watch(xs, "/libxenstore/w", "token"));
  CHECK(event_is(xs_read_watch(xs, &count), "/libxenstore/w", "token") && count == 2);
  CHECK(!xs_watch(xs, "/libxenstore/w", "token") && errno == EEXIST);
  CHECK(xs_write(other, XBT_NULL, "/libxenstore/w/below", "x", 1));
  CHECK(poll(&readable, 1, 10000) == 1);
  CHECK(event_is(xs_check_watch(xs), "/libxenstore/w/below", "token"));
  CHECK(xs_watch(xs, "@releaseDomain", "special"));
  CHECK(event_is(xs_read_watch(xs, &count), "@releaseDomain", "special"));
  CHECK(xs_unwatch(xs, "@releaseDomain", "special"));
  CHECK(xs_unwatch(xs, "/libxenstore/w", "token"));
  CHECK(!xs_unwatch(xs, "/libxenstore/w", "token") && errno == ENOENT);
  CHECK(xs_write(other, XBT_NULL, "/libxenstore/w/below", "y", 1));
  CHECK(xs_check_watch(xs) == NULL && errno == EAGAIN);
}

/* Without Xen there are no guests to introduce: each call must say so. */
static void domains(struct xs_handle* xs) {
  CHECK(is_text(xs_get_domain_path(xs, 7), "/local/domain/7"));
  CHECK(xs_is_domain_introduced(xs, 0));
  CHECK(!xs_is_domain_introduced(xs, 7));
  CHECK(!xs_introduce_domain(xs, 7, 1, 1) && errno == EINVAL);
  CHECK(!xs_set_target(xs, 7, 8) && errno == ENOENT);
  CHECK(!xs_resume_domain(xs, 7) && errno == ENOENT);
  CHECK(!xs_release_domain(xs, 7) && errno == ENOENT);
  CHECK(!xs_release_domain(xs, 0) && errno == EINVAL);
  /* Gone from the protocol; the library answers by itself or with ENOSYS. */
  CHECK(!xs_restrict(xs, 7));
  CHECK(xs_path_is_subpath("/a", "/a/b") && !xs_path_is_subpath("/a", "/ab"));
}

static void control(struct xs_handle* xs) {
  char help[] = "help";
  char text[] = "from the C client";
  CHECK(is_text(xs_control_command(xs, "check", NULL, 0), "OK"));
  CHECK(is_text(xs_control_command(xs, "print", text, sizeof text), "OK"));
  CHECK(is_text(xs_debug_command(xs, "print", text, sizeof text), "OK"));
  char* answer = xs_control_command(xs, help, NULL, 0);
  CHECK(answer != NULL && strstr(answer, "memreport") != NULL);
  free(answer);
  CHECK(xs_control_command(xs, "nonsense", NULL, 0) == NULL && errno == EINVAL);
}

/* Where the library looks for the daemon (A1). */
static void places(void) {
  char expected[512];
  CHECK(strcmp(xs_daemon_rundir(), getenv("XENSTORED_RUNDIR")) == 0);
  snprintf(expected, sizeof expected, "%s/socket", getenv("XENSTORED_RUNDIR"));
  CHECK(strcmp(xs_daemon_socket(), expected) == 0);
  CHECK(xs_daemon_socket_ro() != NULL);
  CHECK(xs_suspend_evtchn_port(7) == -1); /* reads a node that is not there */
  CHECK(xs_write_all(STDOUT_FILENO, "", 0));
}

/* The deprecated ways to open, and a handle that a child leaves behind. */
static void handles(void) {
  unsigned int length = 0;
  struct xs_handle* xs = xs_daemon_open();
  CHECK(xs != NULL);
  CHECK(value_is(xs, XBT_NULL, "/tool", ""));
  xs_daemon_close(xs);
  xs = xs_domain_open();
  CHECK(xs != NULL);
  xs_close(xs);
  xs = xs_daemon_open_readonly();
  CHECK(xs != NULL);
  xs_close(xs);
  xs = xs_open(XS_OPEN_SOCKETONLY | XS_UNWATCH_FILTER);
  CHECK(xs != NULL);
  CHECK(xs_watch(xs, "/libxenstore/filter", "t"));
  CHECK(event_is(xs_read_watch(xs, &length), "/libxenstore/filter", "t"));
  CHECK(xs_write(xs, XBT_NULL, "/libxenstore/filter", "x", 1));
  CHECK(xs_unwatch(xs, "/libxenstore/filter", "t"));
  CHECK(xs_check_watch(xs) == NULL && errno == EAGAIN);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    xs_daemon_destroy_postfork(xs);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(value_is(xs, XBT_NULL, "/libxenstore/filter", "x"));
  xs_close(xs);
  xs_close(NULL);
}

int main(void) {
  struct xs_handle* xs = xs_open(0);
  struct xs_handle* other = xs_open(0);
  CHECK(xs != NULL && other != NULL);
  nodes(xs);
  long_directory(xs);
  permissions(xs);
  transactions(xs, other);
  watches(xs, other);
  domains(xs);
  control(xs);
  handles();
  places();
  CHECK(xs_rm(xs, XBT_NULL, kRoot));
  xs_close(other);
  xs_close(xs);
  puts("all passed");
  return 0;
}
