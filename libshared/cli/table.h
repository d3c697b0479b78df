/* table.h - rows of text in aligned columns, for people */
#ifndef TABLE_H
#define TABLE_H

#include <stdio.h>

#include "buffer.h"

enum { TABLE_COLUMNS_MAX = 12 };

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table_column {
    const char      *title;
    enum table_align align;
};

struct table {
    const struct table_column *columns;
    uint32_t                   column_count;
    uint32_t                   width_max;    /* cut the last column there; 0 = never */
    struct buffer              text;         /* cells, each with a final 0 */
    uint32_t                   cell_count;
};

/* Cells left to right, row after row; what is not printable is escaped. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Nothing when there is no row. */
void table_print(const struct table *table, FILE *out);
void table_free(struct table *table);

/* Columns that UTF-8 text takes on a terminal. */
size_t   text_width(const char *text);
/* Columns of the terminal behind a descriptor; 0 when it is none. */
uint32_t terminal_width(int fd);

#endif
