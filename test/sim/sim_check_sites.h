/* The model of the verdict on sites: what may be agreed, by what is true of nodes and links, and
 * who has it. Only in seeds whose sites are judged (sim_sites.h). */
#ifndef SIM_CHECK_SITES_H
#define SIM_CHECK_SITES_H

#include "cluster/metadata.h"
#include "sim/sim_check.h"

/* From now on it looks at what is true, ten times a second. */
void sim_check_sites_start(struct sim *s);

/* An entry has made this of the metadata; `is_first`: nobody had applied it before. */
void sim_check_sites_entry(struct sim *s, const struct metadata *truth,
                           const struct sim_applied *applied, int error, bool is_first);
/* An operator was told that its word is done: by the entry of that index. */
void sim_check_sites_acknowledged(struct sim *s, const struct metadata_site_change *word,
                                  uint64_t index);
/* A forced recovery: nothing is agreed, but what was told of epochs stays so; then the entries that
 * are kept come again, and then that of the recovery. */
void sim_check_sites_forget(void);
void sim_check_sites_recovered(struct sim *s);

/* The replica has applied the group's entries up to this one. */
void sim_check_sites_applied(const struct sim_group *g, uint64_t index);

/* ---- in the end ---- */

/* Nobody leads in a site that is drained, where another one could. */
bool sim_check_sites_are_drained(struct sim *s, void *unused);
/* Every site is whole, and in use. */
bool sim_check_sites_are_well(struct sim *s, void *unused);

#endif
