/* What the asking client may do, as Kafka's bits (KIP-430): everything, while there is no
 * authentication. Answered only to those who ask. */
#ifndef CLUSTER_REQUEST_OPERATIONS_H
#define CLUSTER_REQUEST_OPERATIONS_H

#include <stdint.h>

enum permitted_operation {
    OPERATION_READ = 1 << 3,
    OPERATION_WRITE = 1 << 4,
    OPERATION_CREATE = 1 << 5,
    OPERATION_DELETE = 1 << 6,
    OPERATION_ALTER = 1 << 7,
    OPERATION_DESCRIBE = 1 << 8,
    OPERATION_CLUSTER_ACTION = 1 << 9,
    OPERATION_DESCRIBE_CONFIGS = 1 << 10,
    OPERATION_ALTER_CONFIGS = 1 << 11,
    OPERATION_IDEMPOTENT_WRITE = 1 << 12
};

#define OPERATIONS_NOT_ASKED INT32_MIN
#define OPERATIONS_ON_CLUSTER                                                                      \
    (OPERATION_CREATE | OPERATION_ALTER | OPERATION_DESCRIBE | OPERATION_CLUSTER_ACTION |          \
     OPERATION_DESCRIBE_CONFIGS | OPERATION_ALTER_CONFIGS | OPERATION_IDEMPOTENT_WRITE)
#define OPERATIONS_ON_TOPIC                                                                        \
    (OPERATION_READ | OPERATION_WRITE | OPERATION_CREATE | OPERATION_DELETE | OPERATION_ALTER |    \
     OPERATION_DESCRIBE | OPERATION_DESCRIBE_CONFIGS | OPERATION_ALTER_CONFIGS)
#define OPERATIONS_ON_GROUP                                                                        \
    (OPERATION_READ | OPERATION_DELETE | OPERATION_DESCRIBE | OPERATION_DESCRIBE_CONFIGS |         \
     OPERATION_ALTER_CONFIGS)

_Static_assert(OPERATIONS_ON_CLUSTER == 8096, "as Kafka answers without an authorizer");
_Static_assert(OPERATIONS_ON_TOPIC == 3576, "as Kafka answers without an authorizer");
_Static_assert(OPERATIONS_ON_GROUP == 3400, "as Kafka answers without an authorizer");

#endif
