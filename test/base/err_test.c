#include "base/err.h"

#include <criterion/criterion.h>

Test(err, has_a_name_and_a_sentence_for_our_codes_and_those_of_libuv)
{
    cr_assert_str_eq(err_name(ERR_CORRUPT), "ERR_CORRUPT");
    cr_assert_str_eq(err_text(ERR_CORRUPT), "stored bytes fail their checksum");
    cr_assert_str_eq(err_name(UV_ENOENT), "ENOENT");
    cr_assert_str_eq(err_text(UV_ENOENT), uv_strerror(UV_ENOENT));
    cr_assert_str_eq(err_name(0), "OK");
    cr_assert_str_eq(err_text(0), "no error");
    cr_assert_str_eq(err_name(-4999), "UNKNOWN");
    cr_assert_str_eq(err_text(1), "an unknown error");
}

Test(err, gives_every_code_a_number_of_its_own_below_those_of_libuv)
{
    static const int codes[] = {
#define CODE(name, number, text) number,
        ERR_TABLE(CODE)
#undef CODE
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        cr_assert_lt(codes[i], UV_ERRNO_MAX);
        for (size_t k = 0; k < i; k++)
            cr_assert_neq(codes[i], codes[k]);
    }
}

Test(err, notes_what_happened_and_where)
{
    struct err_note note = {0};
    cr_assert_eq(err_set(&note, ERR_CORRUPT, "checksum differs at byte %d", 8192), ERR_CORRUPT);
    cr_assert_eq(err_prefix(&note, ERR_CORRUPT, "%s", "open wal"), ERR_CORRUPT);
    cr_assert_str_eq(note.text, "open wal: checksum differs at byte 8192");
}

Test(err, cuts_a_note_that_is_too_long)
{
    struct err_note note = {0};
    char text[2 * ERR_NOTE_SIZE];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&note, UV_EIO, "%s", text);
    cr_assert_eq(strlen(note.text), ERR_NOTE_SIZE - 1);
    err_prefix(&note, UV_EIO, "b");
    cr_assert_eq(strlen(note.text), ERR_NOTE_SIZE - 1);
    cr_assert_eq(strncmp(note.text, "b: aaa", 6), 0);
    err_prefix(&note, UV_EIO, "%s", text);
    cr_assert_eq(strlen(note.text), ERR_NOTE_SIZE - 1);
}

Test(err, needs_no_note)
{
    cr_assert_eq(err_set(NULL, UV_EIO, "%s", "x"), UV_EIO);
    cr_assert_eq(err_prefix(NULL, UV_EIO, "%s", "x"), UV_EIO);
}
