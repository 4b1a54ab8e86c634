/* The lines of the control socket: what is understood, and what is refused with a reason. */
#include "command.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct command parsed(const char *line)
{
    struct command command;
    char why[512] = "";
    cr_assert_eq(command_parse(line, &command, why, sizeof why), 0, "%s: %s", line, why);
    return command;
}

static void refused(const char *line, const char *reason)
{
    struct command command;
    char why[512] = "";
    cr_assert_eq(command_parse(line, &command, why, sizeof why), -1, "%s was taken", line);
    cr_assert_neq(strstr(why, reason), NULL, "%s: %s", line, why);
}

Test(faultfs_command, fail_defaults_to_every_call_on_every_file_with_eio)
{
    struct command command = parsed("fail write");
    cr_assert_eq(command.verb, COMMAND_FAIL);
    cr_assert_eq(command.call, CALL_WRITE);
    cr_assert_eq(command.err, EIO);
    cr_assert_eq(command.count, COMMAND_COUNT_ALL);
    cr_assert_eq(command.after, 0);
    cr_assert_str_eq(command.path, "*");
}

Test(faultfs_command, options_may_come_in_any_order)
{
    struct command command = parsed("  fail fsync after=3 path=wal/*.log errno=ENOSPC count=2 \r");
    cr_assert_eq(command.call, CALL_FSYNC);
    cr_assert_eq(command.err, ENOSPC);
    cr_assert_eq(command.count, 2);
    cr_assert_eq(command.after, 3);
    cr_assert_str_eq(command.path, "wal/*.log");
}

Test(faultfs_command, power_cut_takes_what_to_keep_a_seed_and_torn)
{
    struct command command = parsed("power-cut");
    cr_assert_eq(command.keep, UNDO_KEEP_RANDOM);
    cr_assert_eq(command.seed, -1);
    cr_assert_eq(command.torn, 0);
    command = parsed("power-cut keep=none seed=9223372036854775807 torn=1");
    cr_assert_eq(command.keep, UNDO_KEEP_NONE);
    cr_assert_eq(command.seed, INT64_MAX);
    cr_assert_eq(command.torn, 1);
    cr_assert_eq(parsed("power-cut keep=all").keep, UNDO_KEEP_ALL);
}

Test(faultfs_command, damage_at_rest_is_done_once_unless_said)
{
    cr_assert_eq(parsed("flip path=a").count, 1);
    cr_assert_eq(parsed("stale path=a offset=4096").offset, 4096);
    cr_assert_eq(parsed("flip").offset, -1);
}

Test(faultfs_command, each_command_without_options_is_understood)
{
    static const struct {
        const char *line;
        enum command_verb verb;
    } lines[] = {{"lose fsync", COMMAND_LOSE},    {"misdirect write", COMMAND_MISDIRECT},
                 {"full", COMMAND_FULL},          {"power-on", COMMAND_POWER_ON},
                 {"heal", COMMAND_HEAL},          {"status", COMMAND_STATUS},
                 {"slow read ms=5", COMMAND_SLOW}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        cr_assert_eq(parsed(lines[i].line).verb, lines[i].verb, "%s", lines[i].line);
}

Test(faultfs_command, what_makes_no_sense_is_refused_with_a_reason)
{
    refused("", "unknown command");
    refused("explode", "unknown command explode");
    refused("fail", "no call");
    refused("fail open", "does not go with open");
    refused("lose read", "does not go with read");
    refused("misdirect fsync", "does not go with fsync");
    refused("slow write", "needs ms");
    refused("slow write ms=-1", "whole number");
    refused("slow write ms=600001", "whole number");
    refused("fail read count=0", "whole number");
    refused("fail read count=9223372036854775808", "whole number");
    refused("fail read count=3x", "whole number");
    refused("fail read count=", "whole number");
    refused("fail read errno=EWHAT", "unknown errno");
    refused("fail read path=", "1 to");
    refused("fail read ms=3", "no option ms");
    refused("full count=3", "no option count");
    refused("full 3", "OPTION=VALUE");
    refused("power-cut keep=some", "none, all or random");
    refused("power-cut torn=2", "whole number");
    refused("heal now", "OPTION=VALUE");
}

Test(faultfs_command, a_path_or_line_too_long_is_refused)
{
    char line[5000] = "flip path=";
    memset(line + 10, 'a', COMMAND_PATH_BYTES);
    refused(line, "1 to");
    line[10 + COMMAND_PATH_BYTES - 1] = '\0';
    cr_assert_eq(strlen(parsed(line).path), COMMAND_PATH_BYTES - 1);
    memset(line, 'a', sizeof line - 1);
    refused(line, "more than");
}
