/* Results in words. */
#include "trilog/trilog.h"

const char *trilog_error_text(int result)
{
    switch (result) {
#define CASE(name, code, text)                                                                     \
    case code:                                                                                     \
        return text;
        TRILOG_RESULT_TABLE(CASE)
#undef CASE
    default:
        return "not a result of libtrilog";
    }
}
