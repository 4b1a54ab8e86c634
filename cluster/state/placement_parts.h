/* What the files of the placement share; pure. */
#ifndef CLUSTER_STATE_PLACEMENT_PARTS_H
#define CLUSTER_STATE_PLACEMENT_PARTS_H

#include "cluster/placement.h"

/* placement_look.c; NULL: there is no such node. */
const struct placement_node *placement_node(const struct placement *p, uint32_t node_id);
bool placement_is_same_site(const struct placement *p, uint32_t a, uint32_t b);
unsigned placement_voter_count(const struct metadata_group *g);
/* Of the group's voters, those in the node's site. */
unsigned placement_count_in_site(const struct placement *p, const struct metadata_group *g,
                                 uint32_t node_id);
/* The group has a home site; the node is in it. */
bool placement_has_home(const struct metadata_group *g);
bool placement_is_home(const struct placement *p, const struct metadata_group *g, uint32_t node_id);

/* placement_leaders.c: leads that lie on the node, of groups that may be led anywhere. */
unsigned placement_leaders_of(const struct placement *p, uint32_t node_id);
/* A lead that lies on a node that must go, or has no vote, to the voter that leads fewest. */
void placement_relieve(struct placement *p, struct metadata_group *g);
/* Between sites, then within them. */
void placement_even_leaders(struct placement *p);

/* placement_plan.c: again and again, while it finds something to even out. */
void placement_even(struct placement *p, bool (*once)(struct placement *));

#endif
