/* `trilog`: the operator's command. It meets the cluster over the nodes' admin ports only. */
#include <locale.h>
#include <signal.h>
#include <unistd.h>

#include "command.h"

int main(int count, char **texts)
{
    struct session session = {.out = stdout, .err = stderr, .in = stdin};
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    session.is_terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    return command_run(count, texts, &session);
}
