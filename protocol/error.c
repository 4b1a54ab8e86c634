/* Names and texts of Kafka's error codes, from the one table. */
#include "protocol/error.h"

const char *kafka_error_name(int16_t code)
{
    switch (code) {
#define ERROR_NAME(name, number, text)                                                             \
    case number:                                                                                   \
        return #name;
        KAFKA_ERROR_TABLE(ERROR_NAME)
#undef ERROR_NAME
    }
    return "UNKNOWN";
}

const char *kafka_error_text(int16_t code)
{
    switch (code) {
#define ERROR_TEXT(name, number, text)                                                             \
    case number:                                                                                   \
        return text;
        KAFKA_ERROR_TABLE(ERROR_TEXT)
#undef ERROR_TEXT
    }
    return "an error code that is not known here";
}
