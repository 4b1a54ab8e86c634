/* What the checker says, for people and for programs. The fields of the JSON are in README.md. */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include <stdio.h>

#include "figures.h"
#include "verdict.h"

/* 0 clean, 1 violations, 2 not all could be judged. */
int report_status(const struct verdict *v);

/* f: NULL for no figures */
void report_text(FILE *into, const struct verdict *v, const struct figures *f);
void report_json(FILE *into, const struct verdict *v, const struct figures *f);
/* The figures alone (report_figures.c). */
void report_figures_text(FILE *into, const struct history *h, const struct figures *f);
void report_figures_json(FILE *into, const struct history *h, const struct figures *f);
/* With quotes; what JSON can't hold is escaped. */
void report_json_text(FILE *into, const char *text);

#endif
