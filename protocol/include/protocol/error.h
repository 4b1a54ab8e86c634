/* Kafka's error codes, as they stand in answers. One table makes the enum, names and texts; the
 * texts are ours. A code that is not in it is still a valid answer of a newer broker. */
#ifndef PROTOCOL_ERROR_H
#define PROTOCOL_ERROR_H

#include <stdint.h>

#define KAFKA_ERROR_TABLE(X)                                                                       \
    X(UNKNOWN_SERVER_ERROR, -1, "an unexpected error on the server")                               \
    X(NONE, 0, "no error")                                                                         \
    X(OFFSET_OUT_OF_RANGE, 1, "the offset is outside what the partition holds")                    \
    X(CORRUPT_MESSAGE, 2, "the record batch fails its checksum or is otherwise corrupt")           \
    X(UNKNOWN_TOPIC_OR_PARTITION, 3, "the topic or partition is not here")                         \
    X(INVALID_FETCH_SIZE, 4, "the fetch size is not valid")                                        \
    X(LEADER_NOT_AVAILABLE, 5, "the partition has no leader at present")                           \
    X(NOT_LEADER_OR_FOLLOWER, 6,                                                                   \
      "this broker does not lead the partition, or holds no replica of it")                        \
    X(REQUEST_TIMED_OUT, 7, "the request timed out")                                               \
    X(BROKER_NOT_AVAILABLE, 8, "the broker is not available")                                      \
    X(REPLICA_NOT_AVAILABLE, 9, "the replica is not available")                                    \
    X(MESSAGE_TOO_LARGE, 10, "the batch is larger than the topic's max.message.bytes")             \
    X(STALE_CONTROLLER_EPOCH, 11, "the controller is now another broker")                          \
    X(OFFSET_METADATA_TOO_LARGE, 12, "the metadata of a committed offset is too large")            \
    X(NETWORK_EXCEPTION, 13, "the connection ended before the answer")                             \
    X(COORDINATOR_LOAD_IN_PROGRESS, 14, "the coordinator is still loading")                        \
    X(COORDINATOR_NOT_AVAILABLE, 15, "the coordinator is not available")                           \
    X(NOT_COORDINATOR, 16, "this broker is not the coordinator")                                   \
    X(INVALID_TOPIC_EXCEPTION, 17, "the topic's name is not valid")                                \
    X(RECORD_LIST_TOO_LARGE, 18, "the batch is larger than the segment size")                      \
    X(NOT_ENOUGH_REPLICAS, 19, "fewer in-sync replicas than required")                             \
    X(NOT_ENOUGH_REPLICAS_AFTER_APPEND, 20,                                                        \
      "written, but to fewer in-sync replicas than required")                                      \
    X(INVALID_REQUIRED_ACKS, 21, "acks must be 0, 1 or -1")                                        \
    X(ILLEGAL_GENERATION, 22, "the group is in another generation")                                \
    X(INCONSISTENT_GROUP_PROTOCOL, 23, "the member's protocols do not fit those of the group")     \
    X(INVALID_GROUP_ID, 24, "the group id is not valid")                                           \
    X(UNKNOWN_MEMBER_ID, 25, "the coordinator does not know this member")                          \
    X(INVALID_SESSION_TIMEOUT, 26, "the session timeout is outside the broker's limits")           \
    X(REBALANCE_IN_PROGRESS, 27, "the group is rebalancing: join again")                           \
    X(INVALID_COMMIT_OFFSET_SIZE, 28, "the committed offset is too large to be stored")            \
    X(TOPIC_AUTHORIZATION_FAILED, 29, "no right to the topic")                                     \
    X(GROUP_AUTHORIZATION_FAILED, 30, "no right to the group")                                     \
    X(CLUSTER_AUTHORIZATION_FAILED, 31, "no right to the cluster")                                 \
    X(INVALID_TIMESTAMP, 32, "the timestamp is outside the accepted range")                        \
    X(UNSUPPORTED_SASL_MECHANISM, 33, "the SASL mechanism is not supported")                       \
    X(ILLEGAL_SASL_STATE, 34, "the request does not fit the state of authentication")              \
    X(UNSUPPORTED_VERSION, 35, "the version of the request is not supported")                      \
    X(TOPIC_ALREADY_EXISTS, 36, "a topic of this name exists")                                     \
    X(INVALID_PARTITIONS, 37, "the number of partitions is not valid")                             \
    X(INVALID_REPLICATION_FACTOR, 38,                                                              \
      "the replication factor is below 1 or more than there are brokers")                          \
    X(INVALID_REPLICA_ASSIGNMENT, 39, "the assignment of replicas is not valid")                   \
    X(INVALID_CONFIG, 40, "the config is not valid")                                               \
    X(NOT_CONTROLLER, 41, "this broker is not the controller")                                     \
    X(INVALID_REQUEST, 42, "the request is malformed or contradicts itself")                       \
    X(UNSUPPORTED_FOR_MESSAGE_FORMAT, 43, "the message format does not support the request")       \
    X(POLICY_VIOLATION, 44, "a policy of the cluster forbids the request")                         \
    X(OUT_OF_ORDER_SEQUENCE_NUMBER, 45, "the batch does not follow the producer's last one")       \
    X(DUPLICATE_SEQUENCE_NUMBER, 46, "the batch was appended before")                              \
    X(INVALID_PRODUCER_EPOCH, 47, "the producer's epoch is old")                                   \
    X(INVALID_TXN_STATE, 48, "the transaction is in another state")                                \
    X(INVALID_PRODUCER_ID_MAPPING, 49, "the producer id does not belong to the transactional id")  \
    X(INVALID_TRANSACTION_TIMEOUT, 50, "the transaction timeout is above the broker's limit")      \
    X(CONCURRENT_TRANSACTIONS, 51, "another operation on the transaction is under way")            \
    X(TRANSACTION_COORDINATOR_FENCED, 52,                                                          \
      "the transaction coordinator is no longer the current one")                                  \
    X(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 53, "no right to the transactional id")               \
    X(SECURITY_DISABLED, 54, "security is not configured")                                         \
    X(OPERATION_NOT_ATTEMPTED, 55, "not attempted, because another part of the request failed")    \
    X(KAFKA_STORAGE_ERROR, 56, "the disk failed or is full")                                       \
    X(LOG_DIR_NOT_FOUND, 57, "the log directory is not configured")                                \
    X(SASL_AUTHENTICATION_FAILED, 58, "authentication failed")                                     \
    X(UNKNOWN_PRODUCER_ID, 59, "the broker knows nothing of this producer id")                     \
    X(REASSIGNMENT_IN_PROGRESS, 60, "the partition's replicas are being changed")                  \
    X(DELEGATION_TOKEN_AUTH_DISABLED, 61, "delegation tokens are not enabled")                     \
    X(DELEGATION_TOKEN_NOT_FOUND, 62, "the delegation token does not exist")                       \
    X(DELEGATION_TOKEN_OWNER_MISMATCH, 63, "the principal neither owns nor may renew the token")   \
    X(DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 64,                                                    \
      "delegation tokens are not allowed on this connection")                                      \
    X(DELEGATION_TOKEN_AUTHORIZATION_FAILED, 65, "no right to the delegation token")               \
    X(DELEGATION_TOKEN_EXPIRED, 66, "the delegation token has expired")                            \
    X(INVALID_PRINCIPAL_TYPE, 67, "the type of principal is not supported")                        \
    X(NON_EMPTY_GROUP, 68, "the group still has members")                                          \
    X(GROUP_ID_NOT_FOUND, 69, "the group does not exist")                                          \
    X(FETCH_SESSION_ID_NOT_FOUND, 70, "the fetch session does not exist")                          \
    X(INVALID_FETCH_SESSION_EPOCH, 71, "the fetch session is at another epoch")                    \
    X(LISTENER_NOT_FOUND, 72, "the leader has no such listener")                                   \
    X(TOPIC_DELETION_DISABLED, 73, "deletion of topics is disabled")                               \
    X(FENCED_LEADER_EPOCH, 74, "the leader epoch in the request is older than the broker's")       \
    X(UNKNOWN_LEADER_EPOCH, 75, "the leader epoch in the request is newer than the broker's")      \
    X(UNSUPPORTED_COMPRESSION_TYPE, 76, "the client can't read the batch's compression")           \
    X(STALE_BROKER_EPOCH, 77, "the broker has registered anew")                                    \
    X(OFFSET_NOT_AVAILABLE, 78, "the offset can't be told yet: the high watermark is behind")      \
    X(MEMBER_ID_REQUIRED, 79, "join again with the member id given in this answer")                \
    X(PREFERRED_LEADER_NOT_AVAILABLE, 80, "the preferred leader is not available")                 \
    X(GROUP_MAX_SIZE_REACHED, 81, "the group has its largest number of members")                   \
    X(FENCED_INSTANCE_ID, 82, "another member took the group instance id")                         \
    X(ELIGIBLE_LEADERS_NOT_AVAILABLE, 83, "no eligible leader is available")                       \
    X(ELECTION_NOT_NEEDED, 84, "no election is needed")                                            \
    X(NO_REASSIGNMENT_IN_PROGRESS, 85, "the partition's replicas are not being changed")           \
    X(GROUP_SUBSCRIBED_TO_TOPIC, 86, "the group is subscribed to the topic")                       \
    X(INVALID_RECORD, 87, "a record fails the broker's checks")                                    \
    X(UNSTABLE_OFFSET_COMMIT, 88, "some offsets await the end of a transaction")                   \
    X(THROTTLING_QUOTA_EXCEEDED, 89, "the quota is exceeded")                                      \
    X(PRODUCER_FENCED, 90, "a newer producer has the transactional id")                            \
    X(RESOURCE_NOT_FOUND, 91, "the resource does not exist")                                       \
    X(DUPLICATE_RESOURCE, 92, "the same resource is named twice")                                  \
    X(UNACCEPTABLE_CREDENTIAL, 93, "the credential is not acceptable")                             \
    X(INCONSISTENT_VOTER_SET, 94, "sender or receiver is not an expected voter")                   \
    X(INVALID_UPDATE_VERSION, 95, "the version of the update is not valid")                        \
    X(FEATURE_UPDATE_FAILED, 96, "the features could not be updated")                              \
    X(PRINCIPAL_DESERIALIZATION_FAILURE, 97, "the forwarded principal can't be read")              \
    X(SNAPSHOT_NOT_FOUND, 98, "the snapshot does not exist")                                       \
    X(POSITION_OUT_OF_RANGE, 99, "the position is outside the snapshot")                           \
    X(UNKNOWN_TOPIC_ID, 100, "the topic id is not here")                                           \
    X(DUPLICATE_BROKER_REGISTRATION, 101, "the broker id is in use")                               \
    X(BROKER_ID_NOT_REGISTERED, 102, "the broker id is not registered")                            \
    X(INCONSISTENT_TOPIC_ID, 103, "the topic id is not that of the log")                           \
    X(INCONSISTENT_CLUSTER_ID, 104, "the cluster id is not this cluster's")                        \
    X(TRANSACTIONAL_ID_NOT_FOUND, 105, "the transactional id does not exist")                      \
    X(FETCH_SESSION_TOPIC_ID_ERROR, 106, "the fetch session mixes topic names and ids")            \
    X(INELIGIBLE_REPLICA, 107, "a replica may not join the in-sync set")                           \
    X(NEW_LEADER_ELECTED, 108, "done, but the leader has changed")                                 \
    X(OFFSET_MOVED_TO_TIERED_STORAGE, 109, "the offset is in tiered storage")                      \
    X(FENCED_MEMBER_EPOCH, 110,                                                                    \
      "the member's epoch is fenced: give up all partitions and join again")                       \
    X(UNRELEASED_INSTANCE_ID, 111, "another member still has the group instance id")               \
    X(UNSUPPORTED_ASSIGNOR, 112, "the group does not support the assignor")                        \
    X(STALE_MEMBER_EPOCH, 113, "the member's epoch is stale")                                      \
    X(MISMATCHED_ENDPOINT_TYPE, 114, "the request belongs to another type of endpoint")            \
    X(UNSUPPORTED_ENDPOINT_TYPE, 115, "the type of endpoint is not supported")                     \
    X(UNKNOWN_CONTROLLER_ID, 116, "the controller id is not known")                                \
    X(UNKNOWN_SUBSCRIPTION_ID, 117, "the telemetry subscription is not known")                     \
    X(TELEMETRY_TOO_LARGE, 118, "the telemetry is too large")                                      \
    X(INVALID_REGISTRATION, 119, "the registration is not valid")                                  \
    X(TRANSACTION_ABORTABLE, 120, "the transaction failed: abort it to go on")                     \
    X(INVALID_RECORD_STATE, 121, "the record is in another state of delivery")                     \
    X(SHARE_SESSION_NOT_FOUND, 122, "the share session does not exist")                            \
    X(INVALID_SHARE_SESSION_EPOCH, 123, "the share session is at another epoch")                   \
    X(FENCED_STATE_EPOCH, 124, "the share group's state is at another epoch")                      \
    X(INVALID_VOTER_KEY, 125, "the voter's key is not that of the replica")                        \
    X(DUPLICATE_VOTER, 126, "the voter is in the set already")                                     \
    X(VOTER_NOT_FOUND, 127, "the voter is not in the set")                                         \
    X(INVALID_REGULAR_EXPRESSION, 128, "the regular expression is not valid")                      \
    X(REBOOTSTRAP_REQUIRED, 129, "the client must bootstrap again")                                \
    X(STREAMS_INVALID_TOPOLOGY, 130, "the streams topology is not valid")                          \
    X(STREAMS_INVALID_TOPOLOGY_EPOCH, 131, "the streams topology epoch is not valid")              \
    X(STREAMS_TOPOLOGY_FENCED, 132, "the streams topology epoch is old")                           \
    X(SHARE_SESSION_LIMIT_REACHED, 133, "the broker has its largest number of share sessions")

enum kafka_error {
#define KAFKA_ERROR_ENUM(name, code, text) KAFKA_ERROR_##name = code,
    KAFKA_ERROR_TABLE(KAFKA_ERROR_ENUM)
#undef KAFKA_ERROR_ENUM
};

/* "OFFSET_OUT_OF_RANGE", or "UNKNOWN". Static memory, never NULL. Any thread. */
const char *kafka_error_name(int16_t code);

/* The sentence for a code. Static memory, never NULL. Any thread. */
const char *kafka_error_text(int16_t code);

#endif
