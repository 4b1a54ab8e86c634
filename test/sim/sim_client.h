/* Who uses the simulated cluster: producers, readers, and an operator of topics.
 *
 * An idempotent producer behaves as librdkafka's: up to five batches in flight, the same sequences
 * again after an unknown fate, and after any failure nothing new until all that is in flight has
 * ended. A plain producer has one batch in flight and never sends one again. */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "sim/sim.h"

struct sim_clients;

/* Makes them and sets them to work. `pace_ns`: between a client's acts, about. */
void sim_clients_start(struct sim *s, uint64_t pace_ns);
/* They begin nothing new; what is under way ends. */
void sim_clients_stop(struct sim *s);
/* Has all that was begun ended, at the clients? (Batches not yet acknowledged go on being sent.) */
bool sim_clients_are_idle(struct sim *s, void *unused);
/* How many acknowledgements the producer with the fewest has had since sim_clients_count_anew. */
uint64_t sim_clients_slowest(const struct sim *s);
void sim_clients_count_anew(struct sim *s);
/* Prints those that have had none, when they are waited for in vain. */
void sim_clients_tell(const struct sim *s);

#endif
