/* The environment (production, test …) that an application says it is of: behind its client id, so
 * that it is in every request, from the first on.
 *
 *   orders;environment=test
 *
 * libtrilog writes it, the router reads it, and any other client may say it too. */
#ifndef DC_ROUTER_ENVIRONMENT_H
#define DC_ROUTER_ENVIRONMENT_H

#define ROUTER_ENVIRONMENT_MARK ";environment="

/* Not said: who says nothing is of its router's own. */
#define ROUTER_ENVIRONMENT_DEFAULT "production"

#endif
