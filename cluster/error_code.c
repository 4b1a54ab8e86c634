/* Our codes as Kafka's. What a client may try again gets one of Kafka's retriable codes. */
#include "error_code.h"

#include "base/err.h"

int16_t error_code_of(int err)
{
    switch (err) {
    case 0:
        return KAFKA_ERROR_NONE;
    case ERR_NOT_LEADER:
    case ERR_LEADERSHIP_LOST:
    case ERR_CLOSED:
    case ERR_MOVED:
        return KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    case ERR_NOT_FOUND:
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    case ERR_OUT_OF_RANGE:
        return KAFKA_ERROR_OFFSET_OUT_OF_RANGE;
    case ERR_TIMEOUT:
    case ERR_BUSY:
        return KAFKA_ERROR_REQUEST_TIMED_OUT;
    case ERR_TOO_LARGE:
        return KAFKA_ERROR_MESSAGE_TOO_LARGE;
    case ERR_MALFORMED:
    case ERR_INVALID:
        return KAFKA_ERROR_INVALID_REQUEST;
    case ERR_EXISTS:
        return KAFKA_ERROR_TOPIC_ALREADY_EXISTS;
    case ERR_NO_SPACE:
    case ERR_CORRUPT:
    case UV_EIO:
        return KAFKA_ERROR_KAFKA_STORAGE_ERROR;
    default:
        return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
}

int16_t error_code_of_verdict(enum log_producer_verdict verdict)
{
    switch (verdict) {
    case LOG_PRODUCER_NEW:
    case LOG_PRODUCER_DUPLICATE:
        return KAFKA_ERROR_NONE;
    case LOG_PRODUCER_OUT_OF_ORDER:
        return KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case LOG_PRODUCER_FENCED:
        return KAFKA_ERROR_INVALID_PRODUCER_EPOCH;
    case LOG_PRODUCER_UNKNOWN:
        return KAFKA_ERROR_UNKNOWN_PRODUCER_ID;
    case LOG_PRODUCER_OLD_DUPLICATE:
        return KAFKA_ERROR_DUPLICATE_SEQUENCE_NUMBER;
    }
    return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
}
