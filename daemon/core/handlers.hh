// The handlers of all message types, a file per family; handler_for() (request.hh) is
// their table.
#pragma once

#include "daemon/core/request.hh"

namespace vxs::daemon {

// handlers_store.cc (B1..B8)
Reply handle_read(Server& server, const Request& request);
Reply handle_write(Server& server, const Request& request);
Reply handle_mkdir(Server& server, const Request& request);
Reply handle_rm(Server& server, const Request& request);
Reply handle_directory(Server& server, const Request& request);
Reply handle_directory_part(Server& server, const Request& request);
Reply handle_get_perms(Server& server, const Request& request);
Reply handle_set_perms(Server& server, const Request& request);

// handlers_watch.cc (B9..B11)
Reply handle_watch(Server& server, const Request& request);
Reply handle_unwatch(Server& server, const Request& request);
Reply handle_reset_watches(Server& server, const Request& request);

// handlers_transaction.cc (B12, B13)
Reply handle_transaction_start(Server& server, const Request& request);
Reply handle_transaction_end(Server& server, const Request& request);

// handlers_domain.cc (B14..B22, H1)
Reply handle_introduce(Server& server, const Request& request);
Reply handle_release(Server& server, const Request& request);
Reply handle_resume(Server& server, const Request& request);
Reply handle_set_target(Server& server, const Request& request);
Reply handle_is_domain_introduced(Server& server, const Request& request);
Reply handle_get_domain_path(Server& server, const Request& request);
Reply handle_get_feature(Server& server, const Request& request);
Reply handle_set_feature(Server& server, const Request& request);
Reply handle_get_quota(Server& server, const Request& request);
Reply handle_set_quota(Server& server, const Request& request);
Reply handle_control(Server& server, const Request& request);

}  // namespace vxs::daemon
