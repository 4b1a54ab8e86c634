/* How clients see the cluster through a router: the live routers of its site for brokers that lead
 * and coordinate, and nothing behind them.
 *
 * A client works with one site's routers: they reach all sites for it, and hold what has to wait.
 * Which site's they are, all routers say alike where they are told in which networks each site's
 * applications stand (`site_networks`): a stock client picks any router of its bootstrap list, and
 * would stay in a site that is not its own, and hang with it. Such a client is told of the live
 * routers of other sites, too, as brokers that lead nothing: many a client never goes back to its
 * bootstrap list, and with its site's last router would lose all that it knows. Where settings
 * don't say whose it is they are not shown: asked now and then, each would tell it of other
 * leaders, and it would go back and forth.
 *
 * Where a site has no router left, or only such as drain, its clients work with those of other
 * sites: for each topic, and each group, with those of the first site in its order (dc-router/
 * policy.h, for a member of the client's own site) that has any. So all routers say the same again,
 * the load is spread by the sites' weights, and a site that is drained or left comes last. Without
 * a verdict it is the site that they ask. Once a router of their own site is back they hear of it
 * with their next metadata, and no answer hurries them.
 *
 * Partitions and groups are spread over the live routers by rendezvous hashing (Thaler and
 * Ravishankar, 1998), so that all of them say the same, and when one goes, only what it had moves.
 * That is for balance alone: each router serves whatever it is asked for. */
#ifndef ROUTER_FACE_H
#define ROUTER_FACE_H

#include "dc-router/policy.h"
#include "protocol/types.h"
#include "conf/router_conf.h"

struct router_shard;
struct client;

struct face_broker {
    int32_t id;
    struct kafka_string host;
    int32_t port;
    struct kafka_string site;
};

#define FACE_BROKERS_MAX (1 + CONF_ROUTERS_MAX)

/* Of the client's site: this router first, if it stands there, unless it drains and there are
 * others; then the others that live. Behind these, those of other sites. Borrowed from the settings
 * and the view. */
struct face {
    unsigned count;        /* who lead and coordinate: at least 1 */
    unsigned beyond_count; /* who follow them in `brokers`, of other sites */
    const char *homeless; /* the client's site, which has none: those who lead are of any other, and
                             face_site says whose lead what; else NULL */
    const struct router_verdict *verdict;
    int32_t controller_id; /* this router, which takes all that a controller does, if it is shown */
    struct face_broker brokers[FACE_BROKERS_MAX];
};

/* As the client is told; NULL: one of this router's site. */
void face_look(const struct router_shard *s, const struct client *client, struct face *face);
/* Of a client without a home: whose site's routers lead the topic, or coordinate the group, of this
 * name. Else null: all that lead do. */
struct kafka_string face_site(const struct face *face, struct kafka_string name);
/* Which of the site's (null: of all that lead) a partition's leader is, or (with partition 0) a
 * group's coordinator. */
const struct face_broker *face_choose(const struct face *face, struct kafka_string site,
                                      struct kafka_string name, int32_t partition);

#endif
