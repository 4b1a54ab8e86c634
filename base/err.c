/* The texts of error codes and the notes that say where. Nothing here allocates. */
#include "base/err.h"

#include <errno.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_text(int code)
{
    switch (code) {
    case 0:
        return "no error";
#define ERR_TEXT(name, number, text)                                                               \
    case name:                                                                                     \
        return text;
        ERR_TABLE(ERR_TEXT)
#undef ERR_TEXT
#define ERR_UV_TEXT(name, text)                                                                    \
    case UV_##name:                                                                                \
        return text;
        UV_ERRNO_MAP(ERR_UV_TEXT)
#undef ERR_UV_TEXT
    default:
        return "an unknown error";
    }
}

const char *err_name(int code)
{
    switch (code) {
    case 0:
        return "OK";
#define ERR_NAME(name, number, text)                                                               \
    case name:                                                                                     \
        return #name;
        ERR_TABLE(ERR_NAME)
#undef ERR_NAME
#define ERR_UV_NAME(name, text)                                                                    \
    case UV_##name:                                                                                \
        return #name;
        UV_ERRNO_MAP(ERR_UV_NAME)
#undef ERR_UV_NAME
    default:
        return "UNKNOWN";
    }
}

bool err_is_no_room(int code)
{
    return code == UV_ENOSPC || code == uv_translate_sys_error(EDQUOT);
}

int err_set(struct err_note *note, int code, const char *format, ...)
{
    if (note == NULL)
        return code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note->text, sizeof note->text, format, arguments);
    va_end(arguments);
    return code;
}

int err_prefix(struct err_note *note, int code, const char *format, ...)
{
    if (note == NULL)
        return code;
    char tail[ERR_NOTE_SIZE];
    memcpy(tail, note->text, sizeof tail);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(note->text, sizeof note->text, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof note->text)
        snprintf(note->text + length, sizeof note->text - (size_t)length, ": %s", tail);
    return code;
}
