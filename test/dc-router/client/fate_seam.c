#include "fate_seam.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

rd_kafka_msg_status_t __real_rd_kafka_message_status(const rd_kafka_message_t *message);
rd_kafka_msg_status_t __wrap_rd_kafka_message_status(const rd_kafka_message_t *message);

static atomic_bool is_fate_unknown;

rd_kafka_msg_status_t __wrap_rd_kafka_message_status(const rd_kafka_message_t *message)
{
    return message->err != RD_KAFKA_RESP_ERR_NO_ERROR && atomic_load(&is_fate_unknown)
               ? RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED
               : __real_rd_kafka_message_status(message);
}

void fate_seam_set_unknown(bool is_unknown)
{
    atomic_store(&is_fate_unknown, is_unknown);
}
