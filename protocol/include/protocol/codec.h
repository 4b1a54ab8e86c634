/* All that generated and hand-written messages stand on: values, arena, reader, writer. */
#ifndef PROTOCOL_CODEC_H
#define PROTOCOL_CODEC_H

#include "protocol/arena.h"
#include "protocol/reader.h"
#include "protocol/types.h"
#include "protocol/writer.h"

/* The flexible version of a message that has none. */
#define KAFKA_NEVER_FLEXIBLE INT16_MAX

#endif
