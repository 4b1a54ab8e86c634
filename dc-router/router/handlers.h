/* What a router does with each kind of request. Each answers exactly once, now or later. */
#ifndef ROUTER_HANDLERS_H
#define ROUTER_HANDLERS_H

#include "router/away.h"

typedef void (*client_request_handler)(struct client_request *r);
/* NULL: not known to routers. */
client_request_handler router_handler_of(int16_t key);

void handle_api_versions(struct client_request *r);
void handle_metadata(struct client_request *r);
void handle_describe_cluster(struct client_request *r);
void handle_find_coordinator(struct client_request *r);
void handle_produce(struct client_request *r);
void handle_fetch(struct client_request *r);
/* Each partition at its leader: ListOffsets, OffsetForLeaderEpoch, DeleteRecords. */
void handle_by_leader(struct client_request *r);
/* At the coordinator of the one group that it is about. */
void handle_group(struct client_request *r);
/* Each of many groups at its coordinator; every node's groups. */
void handle_groups(struct client_request *r);
void handle_list_groups(struct client_request *r);
/* Of this router its own settings; all else at any node. */
void handle_describe_configs(struct client_request *r);
/* Every node's folders, each with its node's id before the path: "2:/var/lib/trilog". */
void handle_describe_log_dirs(struct client_request *r);
/* At any node: whoever is asked does it for all. */
void handle_anywhere(struct client_request *r);
/* The same without looking whether it may, and within this time; `on_answer` as in away.h. */
void ask_anywhere(struct client_request *r, uint64_t ms_max, away_answer_cb on_answer);

#endif
