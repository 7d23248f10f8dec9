/* LAPACK, opened at run time when it is first needed. It runs in the calling thread alone: batches and
   products are what the pool is for, and results must not depend on the number of threads. */
#ifndef MXI_CPU_LAPACK_H
#define MXI_CPU_LAPACK_H
#include "cpu/lapack_calls.h"
#include <stddef.h>

/* Matrices are column-major, every argument is a pointer, and the lengths of texts come last. */
#define MXI_IN const int *
/* F(name, arguments): one function for float, one for double. */
#define MXI_LAPACK_REAL(F)                                                                                   \
  F(geqrf, (MXI_IN m, MXI_IN n, void *a, MXI_IN lda, void *tau, void *work, MXI_IN lwork, int *info))        \
  F(orgqr,                                                                                                   \
    (MXI_IN m, MXI_IN n, MXI_IN k, void *a, MXI_IN lda, void *tau, void *work, MXI_IN lwork, int *info))     \
  F(gesdd, (const char *job, MXI_IN m, MXI_IN n, void *a, MXI_IN lda, void *s, void *u, MXI_IN ldu,          \
            void *vt, MXI_IN ldvt, void *work, MXI_IN lwork, int *iwork, int *info, size_t))                 \
  F(labrd, (MXI_IN m, MXI_IN n, MXI_IN nb, void *a, MXI_IN lda, void *d, void *e, void *tauq, void *taup,    \
            void *x, MXI_IN ldx, void *y, MXI_IN ldy))                                                       \
  F(bdsdc, (const char *uplo, const char *compq, MXI_IN n, void *d, void *e, void *u, MXI_IN ldu, void *vt,  \
            MXI_IN ldvt, void *q, int *iq, void *work, int *iwork, int *info, size_t, size_t))               \
  F(lasd0, (MXI_IN n, MXI_IN sqre, void *d, void *e, void *u, MXI_IN ldu, void *vt, MXI_IN ldvt,             \
            MXI_IN smlsiz, int *iwork, void *work, int *info))                                               \
  F(lasd1, (MXI_IN nl, MXI_IN nr, MXI_IN sqre, void *d, void *alpha, void *beta, void *u, MXI_IN ldu,        \
            void *vt, MXI_IN ldvt, int *idxq, int *iwork, void *work, int *info))                            \
  F(syevd, (const char *job, const char *uplo, MXI_IN n, void *a, MXI_IN lda, void *w, void *work,           \
            MXI_IN lwork, int *iwork, MXI_IN liwork, int *info, size_t, size_t))                             \
  F(sytrd, (const char *uplo, MXI_IN n, void *a, MXI_IN lda, void *d, void *e, void *tau, void *work,        \
            MXI_IN lwork, int *info, size_t))                                                                \
  F(stedc, (const char *compz, MXI_IN n, void *d, void *e, void *z, MXI_IN ldz, void *work, MXI_IN lwork,    \
            int *iwork, MXI_IN liwork, int *info, size_t))                                                   \
  F(laed2, (int *k, MXI_IN n, MXI_IN n1, void *d, void *q, MXI_IN ldq, int *indxq, void *rho, void *z,       \
            void *dlamda, void *w, void *q2, int *indx, int *indxc, int *indxp, int *coltyp, int *info))     \
  F(laed4,                                                                                                   \
    (MXI_IN n, MXI_IN i, const void *d, const void *z, void *delta, const void *rho, void *dlam, int *info)) \
  F(geev, (const char *left, const char *right, MXI_IN n, void *a, MXI_IN lda, void *wr, void *wi, void *vl, \
           MXI_IN ldvl, void *vr, MXI_IN ldvr, void *work, MXI_IN lwork, int *info, size_t, size_t))         \
  F(potrf, (const char *uplo, MXI_IN n, void *a, MXI_IN lda, int *info, size_t))
/* The same of complex float. */
#define MXI_LAPACK_COMPLEX(F)                                                                                \
  F(gesdd, (const char *job, MXI_IN m, MXI_IN n, void *a, MXI_IN lda, void *s, void *u, MXI_IN ldu,          \
            void *vt, MXI_IN ldvt, void *work, MXI_IN lwork, void *rwork, int *iwork, int *info, size_t))    \
  F(heevd, (const char *job, const char *uplo, MXI_IN n, void *a, MXI_IN lda, void *w, void *work,           \
            MXI_IN lwork, void *rwork, MXI_IN lrwork, int *iwork, MXI_IN liwork, int *info, size_t, size_t)) \
  F(geev,                                                                                                    \
    (const char *left, const char *right, MXI_IN n, void *a, MXI_IN lda, void *w, void *vl, MXI_IN ldvl,     \
     void *vr, MXI_IN ldvr, void *work, MXI_IN lwork, void *rwork, int *info, size_t, size_t))

struct mxi_lapack {
#define F(name, arguments) void(*name[2]) arguments; /* float, double */
  MXI_LAPACK_REAL(F)
#undef F
#define F(name, arguments) void(*c##name) arguments;
  MXI_LAPACK_COMPLEX(F)
#undef F
};
/* NULL with the error set when there is no LAPACK, or no memory for it; a later call looks again. */
const struct mxi_lapack *mxi_lapack(void);
/* Every call of one of these functions is made like this: MXI_LAPACK_CALL(l->cgesdd(...)). */
#define MXI_LAPACK_CALL(call)                          \
  do {                                                 \
    struct mxi_lapack_turn turn_ = mxi_lapack_begin(); \
    call;                                              \
    mxi_lapack_end(turn_);                             \
  } while (0)
#endif
