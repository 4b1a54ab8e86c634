/* What a client's fetches wait for at nodes (fetch.c). */
#ifndef ROUTER_FETCH_STATE_H
#define ROUTER_FETCH_STATE_H

struct fetch_state;

/* NULL is allowed. The client has gone: what is parked for it at nodes is given up. */
void fetch_state_abandon(struct fetch_state *f);
/* NULL is allowed. Nothing is under way any more. */
void fetch_state_destroy(struct fetch_state *f);

#endif
