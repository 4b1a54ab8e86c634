/* libraft's positive codes as ours: one of the two places that translate (style, section 4). */
#ifndef REPLICATION_RAFT_ERR_H
#define REPLICATION_RAFT_ERR_H

int repl_raft_err(int code);

#endif
