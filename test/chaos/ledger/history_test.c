/* Lines: whole, in order, within their bounds. */
#include "history.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "note.h"

#define WRITERS          4
#define LINES_OF_EACH    20000 /* several times what a pen holds */
#define FIRST_LINE_START "{\"at\":"

static struct history history;
static char folder[] = "/tmp/ledger-history-XXXXXX";
static char path[64];

static void open_history(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.jsonl", folder);
    cr_assert_eq(history_open(&history, path, 42), 0);
}

static void remove_history(void)
{
    unlink(path);
    rmdir(folder);
}

/* Closes the history and gives its text, which the caller frees. */
static char *close_and_read(void)
{
    history_close(&history, NULL);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    char *text = calloc(1, size + 1);
    rewind(file);
    cr_assert_eq(fread(text, 1, size, file), size);
    fclose(file);
    return text;
}

Test(chaos_ledger_line, holds_numbers_at_their_ends)
{
    struct line line;
    line_begin(&line, INT64_MIN, "t");
    line_number(&line, "most", INT64_MAX);
    line_number(&line, "zero", 0);
    line_crc(&line, 0xabc);
    line_end(&line);
    cr_assert_eq(line.size, strlen("{\"at\":-9223372036854775808,\"type\":\"t\","
                                   "\"most\":9223372036854775807,\"zero\":0,"
                                   "\"crc\":\"00000abc\"}\n"));
    cr_assert_eq(memcmp(line.text,
                        "{\"at\":-9223372036854775808,\"type\":\"t\",\"most\":9223372036854775807,"
                        "\"zero\":0,\"crc\":\"00000abc\"}\n",
                        line.size),
                 0);
}

Test(chaos_ledger_line, makes_dots_of_what_a_string_cannot_hold)
{
    struct line line;
    line_begin(&line, 1, "t");
    line_bytes(&line, "key", "a\"b\\c\n\0\x7f\xff~", 10);
    cr_assert_eq(memcmp(line.text + line.size - 18, "\"key\":\"a.b.c....~\"", 18), 0);
}

Test(chaos_ledger_line, has_room_for_its_longest_strings_and_numbers)
{
    struct line line;
    char longest[1000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    line_begin(&line, INT64_MIN, longest);
    for (int i = 1; i < LINE_STRINGS_MAX; i++) {
        line_string(&line, "a_name_of_20_letters", longest);
        line_number(&line, "a_name_of_20_letters", INT64_MIN);
    }
    line_end(&line);
    cr_assert_leq(line.size, LINE_BYTES_MAX);
    cr_assert_eq(line.text[line.size - 1], '\n');
}

Test(chaos_ledger_note, writes_a_send_as_the_format_says, .fini = remove_history)
{
    struct process process;
    const struct process_kind kind = {.role = "producer", .idempotent = 1, .client = "c 1"};
    open_history();
    process_begin(&process, history_pen(&history), "a-producer-0", "a", &kind);
    struct note_send send = {.place = {"orders", 3},
                             .key = "k5",
                             .key_size = 2,
                             .value = "a-producer-0-17",
                             .size = 100,
                             .crc = 0x9a3e01c2};
    process.last_at_us = 0;
    cr_assert_eq(note_send(&process, 1042, &send), 1);
    note_send_end(&process, 1977, 1, send.place,
                  &(struct note_end){.outcome = NOTE_OK, .offset = 40, .epoch = NOTE_NONE});
    char *text = close_and_read();
    cr_assert_not_null(strstr(
        text, "{\"at\":1042,\"type\":\"send\",\"process\":\"a-producer-0\",\"site\":\"a\",\"id\":1,"
              "\"topic\":\"orders\",\"partition\":3,\"key\":\"k5\",\"value\":\"a-producer-0-17\","
              "\"size\":100,\"crc\":\"9a3e01c2\"}\n"));
    cr_assert_not_null(strstr(
        text, "{\"at\":1977,\"type\":\"send\",\"process\":\"a-producer-0\",\"site\":\"a\",\"id\":1,"
              "\"topic\":\"orders\",\"partition\":3,\"offset\":40,\"outcome\":\"ok\"}\n"));
    free(text);
}

Test(chaos_ledger_note, leaves_out_what_is_not_known, .fini = remove_history)
{
    struct process process;
    const struct process_kind kind = {.role = "producer", .idempotent = 0, .client = "c 1"};
    open_history();
    process_begin(&process, history_pen(&history), "p", "a", &kind);
    struct note_end end = {.outcome = NOTE_UNKNOWN, .error = "_MSG_TIMED_OUT", .offset = 7};
    note_send_end(&process, 1, 5, (struct note_place){"t", -1}, &end);
    end = (struct note_end){.outcome = NOTE_OK, .offset = -1001, .epoch = NOTE_NONE};
    note_send_end(&process, 2, 6, (struct note_place){"t", 2}, &end);
    char *text = close_and_read();
    cr_assert_not_null(strstr(text, "\"outcome\":\"unknown\",\"error\":\"_MSG_TIMED_OUT\"}\n"));
    cr_assert_null(strstr(text, "\"offset\":7"), "what failed has no offset");
    cr_assert_not_null(strstr(text, "\"offset\":-1,\"outcome\":\"ok\"}\n"));
    free(text);
}

Test(chaos_ledger_note, never_lets_the_time_of_a_process_fall, .fini = remove_history)
{
    struct process process;
    const struct process_kind kind = {.role = "consumer", .idempotent = -1, .client = "c 1"};
    open_history();
    process_begin(&process, history_pen(&history), "p", "a", &kind);
    int64_t later_us = now_us() + 1000000;
    note_assign(&process, later_us, "g", (struct note_place){"t", 0}, -1);
    note_poll(&process, 5); /* began before the assignment came */
    char *text = close_and_read(), expected[80];
    snprintf(expected, sizeof expected, "{\"at\":%" PRId64 ",\"type\":\"poll\"", later_us);
    cr_assert_not_null(strstr(text, expected));
    free(text);
}

static void *write_many(void *data)
{
    struct pen *pen = data;
    for (int i = 0; i < LINES_OF_EACH; i++) {
        struct line line;
        line_begin(&line, i, "many");
        line_number(&line, "writer", (int64_t)(intptr_t)pen);
        line_string(&line, "text", "as long as the line of a record that was read somewhere");
        pen_write(pen, &line);
    }
    return NULL;
}

static void count_line(const char *line, struct pen *const *pens, int *counts)
{
    long long at, writer;
    int used = 0;
    if (sscanf(line, "{\"at\":%lld,\"type\":\"many\",\"writer\":%lld,%n", &at, &writer, &used) != 2)
        return;
    cr_assert_str_eq(line + used,
                     "\"text\":\"as long as the line of a record that was read somewhere\"}");
    for (int i = 0; i < WRITERS; i++)
        if ((long long)(intptr_t)pens[i] == writer)
            cr_assert_eq(at, counts[i]++, "in its order, none missing");
}

Test(chaos_ledger_history, keeps_every_line_of_every_thread_in_its_order, .fini = remove_history)
{
    pthread_t threads[WRITERS];
    struct pen *pens[WRITERS];
    int counts[WRITERS] = {0};
    open_history();
    for (int i = 0; i < WRITERS; i++) {
        pens[i] = history_pen(&history);
        cr_assert_eq(pthread_create(&threads[i], NULL, write_many, pens[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    char *text = close_and_read(), *place;
    cr_assert_eq(strncmp(text, FIRST_LINE_START, strlen(FIRST_LINE_START)), 0);
    for (char *line = strtok_r(text, "\n", &place); line != NULL;
         line = strtok_r(NULL, "\n", &place))
        count_line(line, pens, counts);
    for (int i = 0; i < WRITERS; i++)
        cr_assert_eq(counts[i], LINES_OF_EACH);
    free(text);
}

Test(chaos_ledger_history, brings_lines_to_the_file_without_being_closed, .fini = remove_history)
{
    struct line line;
    char text[8192] = "";
    open_history();
    line_begin(&line, 1, "soon");
    pen_write(history_pen(&history), &line);
    for (int i = 0; i < 2000 && strstr(text, "\"soon\"}\n") == NULL; i++) {
        FILE *file = fopen(path, "r");
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        usleep(5000);
    }
    cr_assert_not_null(strstr(text, "\"type\":\"soon\"}\n"));
    history_close(&history, NULL);
}

Test(chaos_ledger_history, ends_with_the_line_it_is_told, .fini = remove_history)
{
    struct line other, last;
    open_history();
    line_begin(&other, 1, "other");
    pen_write(history_pen(&history), &other);
    line_begin(&last, 2, "stage");
    history_close(&history, &last);
    FILE *file = fopen(path, "r");
    char text[1000];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *end = "{\"at\":1,\"type\":\"other\"}\n{\"at\":2,\"type\":\"stage\"}\n";
    cr_assert_str_eq(text + strlen(text) - strlen(end), end);
}

Test(chaos_ledger_history, is_not_written_over_one_that_is_there, .fini = remove_history)
{
    struct history second;
    open_history();
    cr_assert_eq(history_open(&second, path, 1), -1);
    free(close_and_read());
}
