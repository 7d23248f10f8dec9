/* How matrices lie in memory, as cuBLASLt can read them. */
#include "cuda/gemm.h"

/* A line is one row, or one column; of a single line any step to the next will do. */
static struct mxi_cuda_order order_by(int64_t lines, int64_t length, int64_t to_next_line, int64_t along) {
  int64_t leading = lines == 1 ? length : to_next_line;
  return (struct mxi_cuda_order){.possible = (length == 1 || along == 1) && leading >= length,
                                 .leading = leading};
}

struct mxi_cuda_order mxi_cuda_row_order_of(const struct mxi_cuda_matrix *x, int64_t rows, int64_t columns) {
  return order_by(rows, columns, x->row, x->column);
}

struct mxi_cuda_order mxi_cuda_order_of(const struct mxi_cuda_matrix *x, int64_t rows, int64_t columns) {
  struct mxi_cuda_order by_rows = order_by(rows, columns, x->row, x->column),
                        by_columns = order_by(columns, rows, x->column, x->row);
  by_columns.columns = true;
  bool is_column = columns == 1 && by_columns.possible; /* one long line rather than many short ones */
  return by_rows.possible && !is_column ? by_rows : by_columns;
}

bool mxi_cuda_is_bias(const struct mxi_cuda_gemm *g) {
  bool has_epilogue = g->dtype == MX_FLOAT16 || g->dtype == MX_BFLOAT16 || g->dtype == MX_FLOAT32;
  return g->c.address && has_epilogue && g->beta == 1 && g->m > 1 && g->c.row == 0 && g->c.batch == 0 &&
         g->c.column == 1 && (size_t)g->c.address % 16 == 0;
}
