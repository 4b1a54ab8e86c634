/* The node that is asked plans once more when it begins, so what was shown can only be refused
 * meanwhile, not become worse unseen. */
#include "change.h"

#include "progress.h"

static int show_plan(struct session *s, const struct change *c, FILE *into)
{
    int status;
    json_t *question = json_copy(c->body);
    json_object_set_new(question, "plan", json_true());
    json_t *plan = session_post(s, c->path, question, &status);
    if (plan == NULL)
        return status == EXIT_PARTLY ? EXIT_FAILED : status; /* a plan changes nothing */
    if (s->is_json && into == s->out)
        session_print_json(s, plan);
    else
        c->print_plan(plan, into);
    json_decref(plan);
    return EXIT_DONE;
}

static int begin(struct session *s, const struct change *c)
{
    int status;
    json_t *answer = session_post(s, c->path, json_incref(c->body), &status);
    if (answer != NULL && s->is_json)
        session_print_json(s, answer);
    const char *trouble = field_text(answer, "trouble");
    if (answer != NULL && trouble[0] != '\0') {
        fprintf(s->err, "trilog: only a part of it was begun: %s\n", trouble);
        status = EXIT_PARTLY;
    }
    json_decref(answer);
    return status;
}

static int confirm_and_begin(struct session *s, const struct change *c)
{
    int status = EXIT_DONE;
    if (!arguments_has(&s->arguments, OPTION_YES) && s->is_terminal)
        status = show_plan(s, c, s->err);
    if (status == EXIT_DONE)
        status = session_confirm(s, c->what);
    if (status == EXIT_DONE)
        status = begin(s, c);
    if (status != EXIT_DONE)
        return status;
    status = c->wait == NULL ? EXIT_DONE : c->wait(s, c->data);
    if (status == EXIT_DONE && !s->is_json)
        fprintf(s->out, arguments_has(&s->arguments, OPTION_NO_WAIT) ? "begun\n" : "done\n");
    return status;
}

int change_run(struct session *s, const struct change *c)
{
    int status = EXIT_USAGE;
    if (progress_can_wait(s))
        status = arguments_has(&s->arguments, OPTION_PLAN) ? show_plan(s, c, s->out)
                                                           : confirm_and_begin(s, c);
    json_decref(c->body);
    return status;
}
