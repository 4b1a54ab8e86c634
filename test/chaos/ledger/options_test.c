/* What the command line may say. */
#include "options.h"

#include <criterion/criterion.h>
#include <string.h>

#define NEEDED "--site", "a", "--bootstrap", "10.0.0.1:9092,10.0.0.2:9092", "--history", "a.jsonl"
#define READ(command, ...)                                                                         \
    read_all(command, (char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

static struct options options;
static char why[200];

static enum options_answer read_all(enum options_command command, char **arguments, size_t count)
{
    memset(why, 0, sizeof why);
    return options_read(&options, command, (int)count, arguments, why, sizeof why);
}

Test(chaos_ledger_options, have_defaults_for_all_but_what_is_needed)
{
    cr_assert_eq(READ(OPTIONS_LOAD, NEEDED), OPTIONS_OK, "%s", why);
    cr_assert_str_eq(options.topic, "ledger");
    cr_assert_eq(options.size_min, 100);
    cr_assert_eq(options.size_max, 1000);
    cr_assert_eq(options.settle_seconds, 60);
    cr_assert_eq(options.node_count, 0);
    cr_assert_eq(READ(OPTIONS_LOAD, "--site", "a", "--history", "x"), OPTIONS_WRONG);
    cr_assert_str_eq(why, "--bootstrap is needed");
}

Test(chaos_ledger_options, take_numbers_ranges_and_nodes)
{
    cr_assert_eq(READ(OPTIONS_LOAD, NEEDED, "--rate", "500", "--size", "7-7", "--node",
                      "1=[::1]:9092", "--node", "20=10.0.0.2:9092"),
                 OPTIONS_OK, "%s", why);
    cr_assert_eq(options.rate, 500);
    cr_assert_eq(options.size_max, 7);
    cr_assert_eq(options.node_count, 2);
    cr_assert_eq(options.nodes[1].id, 20);
    cr_assert_str_eq(options.nodes[0].address, "[::1]:9092");
}

static void assert_wrong(char *name, char *value)
{
    cr_assert_eq(READ(OPTIONS_LOAD, NEEDED, name, value), OPTIONS_WRONG, "%s %s", name, value);
    cr_assert_neq(why[0], '\0', "it says what is wrong");
}

Test(chaos_ledger_options, refuse_what_is_no_number_or_out_of_its_range)
{
    assert_wrong("--rate", "");
    assert_wrong("--rate", "12x");
    assert_wrong("--rate", "-1");
    assert_wrong("--rate", "99999999999999999999");
    assert_wrong("--partitions", "0");
    assert_wrong("--size", "10");
    assert_wrong("--size", "10-9");
    assert_wrong("--size", "0-9");
    assert_wrong("--size", "1-2000000");
}

Test(chaos_ledger_options, refuse_nodes_that_name_no_address)
{
    assert_wrong("--node", "1");
    assert_wrong("--node", "x=10.0.0.1:9092");
    assert_wrong("--node", "1=10.0.0.1");
    assert_wrong("--node", "=10.0.0.1:9092");
}

Test(chaos_ledger_options, refuse_names_that_no_line_could_hold)
{
    assert_wrong("--topic", "a\"b");
    assert_wrong("--topic", "");
    assert_wrong("--group-prefix", "two words");
    assert_wrong("--site", "");
    assert_wrong("--site", "a-name-that-is-much-too-long");
}

Test(chaos_ledger_options, refuse_what_the_other_command_has)
{
    cr_assert_eq(READ(OPTIONS_READ, NEEDED, "--rate", "5"), OPTIONS_WRONG);
    cr_assert_eq(READ(OPTIONS_READ, NEEDED, "--timeout-seconds", "5"), OPTIONS_OK);
    cr_assert_eq(READ(OPTIONS_LOAD, NEEDED, "--timeout-seconds", "5"), OPTIONS_WRONG);
    cr_assert_eq(READ(OPTIONS_LOAD, NEEDED, "--rate"), OPTIONS_WRONG, "its value is missing");
}

Test(chaos_ledger_options, ask_the_bootstrap_addresses_where_no_nodes_are_named)
{
    struct options_node nodes[OPTIONS_NODES_MAX];
    READ(OPTIONS_LOAD, NEEDED);
    cr_assert_eq(options_nodes(&options, nodes), 2);
    cr_assert_eq(nodes[1].id, -1);
    cr_assert_str_eq(nodes[1].address, "10.0.0.2:9092");
    READ(OPTIONS_LOAD, NEEDED, "--node", "3=10.0.0.3:9092");
    cr_assert_eq(options_nodes(&options, nodes), 1);
    cr_assert_eq(nodes[0].id, 3);
}
