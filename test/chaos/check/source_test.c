/* Lines that are taken, and lines that are refused with their place. */
#include <criterion/criterion.h>
#include <string.h>

#include "made.h"

static void assert_refused(const char *lines, const char *reason)
{
    const char *text = text_refusal(lines);
    cr_assert_not_null(strstr(text, reason), "%s", text);
}

Test(chaos_check_source, fields_come_in_any_order_and_unknown_ones_are_skipped)
{
    struct history h;
    text_take("{ 'site':'a', 'new':true, 'x':-1.5e3,'topic':'t','crc':'A1', 'size':9 ,'id':1,"
              "'value':'p-1','text':'a \\u0041 \\\\ b','partition':0,'process':'p','type':'send',"
              "'at':5 }\n{'at':6,'type':'new-type','deep':null}\n",
              &h);
    cr_assert_eq(h.send_count, 1);
    cr_assert_eq(h.unknown_type_count, 1);
    cr_assert_eq(h.records.items[0].crc, 0xa1);
    history_close(&h);
}

Test(chaos_check_source, a_last_line_without_its_end_is_dropped)
{
    struct history h;
    text_take(SEND(1, "p", 1, 0, "p-1") "{'at':2,'type':'se", &h);
    cr_assert_eq(h.send_count, 1);
    cr_assert(h.files.items[0].is_cut);
    history_close(&h);
}

Test(chaos_check_source, a_malformed_line_is_refused_with_its_place)
{
    assert_refused(SEND(1, "p", 1, 0, "p-1") "{'at':2,'type':'send'\n", "text:2: ");
    assert_refused("[]\n", "not a JSON object");
    assert_refused("{'at':1,'type':{'a':1}}\n", "an object or array");
    assert_refused("{'at':1,'at':2,'type':'x'}\n", "a field that comes twice");
    assert_refused("{'at':'1','type':'x'}\n", "should be a whole number");
    assert_refused("{'at':1.5,'type':'x'}\n", "should be a whole number");
    assert_refused("{'at':99999999999999999999,'type':'x'}\n", "should be a whole number");
    assert_refused("{'at':1,'type':'x'} \n{'at':1}\n", "text:2: no at, or no type");
    assert_refused("{'at':1,'type':'send','process':'a\\\\b'}\n", "an escape");
    assert_refused("{'at':1,'type':'send','id':1}\n", "no process");
    assert_refused("{'at':1,'type':'x'}x\n", "something behind");
    assert_refused("\n", "not a JSON object");
}

Test(chaos_check_source, an_operation_that_does_not_fit_is_refused)
{
    assert_refused(ACK(1, "p", 1, 0, 0), "a completion without its invocation");
    assert_refused(SEND(1, "p", 1, 0, "p-1") SEND(2, "p", 1, 0, "p-2"), "used before");
    assert_refused(SEND(1, "p", 1, 0, "p-1") SEND(2, "p", 2, 0, "p-1"), "sent before");
    assert_refused(SEND(1, "p", 1, 0, "p-1") ACK(2, "p", 1, 0, 99999999999), "out of range");
    assert_refused(SEND(1, "p", 1, 0, "p-1") ACK(2, "p", 1, -1, 0), "without its partition");
    assert_refused(SEND(1, "p", 1, 0, "p-1") OUTCOME(2, "p", 1, 0, "maybe"), "an outcome that");
    assert_refused("{'at':1,'type':'history','version':2}\n", "a version other than 1");
}

Test(chaos_check_source, a_line_of_more_than_4096_bytes_is_refused)
{
    static char line[6000] = "{'at':1,'type':'";
    memset(line + strlen(line), 'x', 5000);
    strcat(line, "'}\n");
    assert_refused(line, "more than 4096 bytes");
}

Test(chaos_check_source, a_path_that_is_not_there_is_told)
{
    struct history h;
    struct failure failure;
    history_init(&h);
    cr_assert_eq(source_take(&h, "/nonexistent/x", &failure), -1);
    cr_assert_not_null(strstr(failure.text, "/nonexistent/x: No such file"));
    history_close(&h);
}

Test(chaos_check_source, values_keep_their_names)
{
    static const char *const values[] = {"p-1", "p-01",          "p",     "-7",
                                         "p-0", "p-99999999999", "a-b-12"};
    char name[LINE_TEXT_MAX + 1];
    struct history h;
    history_init(&h);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint32_t record = history_record(&h, text_of(values[i]));
        cr_assert_eq(record, i, "%s is one of its own", values[i]);
        cr_assert_str_eq(history_value(&h, record, name), values[i]);
        cr_assert_eq(history_record(&h, text_of(values[i])), record);
    }
    history_close(&h);
}
