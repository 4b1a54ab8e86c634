#include "raft_err.h"

#include <raft.h>

#include "base/err.h"

int repl_raft_err(int code)
{
    switch (code) {
    case 0:
        return 0;
    case RAFT_NOMEM:
        return UV_ENOMEM;
    case RAFT_NOTLEADER:
        return ERR_NOT_LEADER;
    case RAFT_LEADERSHIPLOST:
        return ERR_LEADERSHIP_LOST;
    case RAFT_CANTCHANGE:
        return ERR_CANT_CHANGE;
    case RAFT_MALFORMED:
        return ERR_MALFORMED;
    case RAFT_BADID:
    case RAFT_NOTFOUND:
        return ERR_NOT_FOUND;
    case RAFT_BUSY:
        return ERR_BUSY;
    default:
        return ERR_RAFT;
    }
}
