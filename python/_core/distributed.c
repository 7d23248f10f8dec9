/* mlx.core.distributed: the one group there is, of this process alone. A collective of one process is the
   identity, and there is nobody to send to or to receive from. */
#include "core.h"
#include <string.h>

MXI_SECTION(distributed);
MXI_SECTION(group);
#define DISTRIBUTED(name, signature, doc)  FUNCTION_IN(distributed, name, signature, doc)
#define GROUP_METHOD(name, signature, doc) FUNCTION_IN(group, name, signature, doc)
#define GROUP                              "*, group: object? = None, stream: stream = None"

static PyTypeObject *group_type;
static PyObject *distributed; /* the module */
static PyObject *world;       /* the group of this process */

/* ---- Groups ---- */
GROUP_METHOD(rank, "self: object -> int", "The number of this process in the group: 0.") {
  (void)f;
  return PyLong_FromLong(0);
}
GROUP_METHOD(size, "self: object -> int", "How many processes the group has: 1.") {
  (void)f;
  return PyLong_FromLong(1);
}
GROUP_METHOD(split, "self: object, color: int32, key: int32 = -1 -> Group",
             "RuntimeError: a group of one process can't be split.") {
  (void)f;
  PyErr_SetString(PyExc_RuntimeError,
                  "[split] expected a group of more than one process, got one of this process alone");
  return NULL;
}

GROUP_METHOD(__reduce__, "self: object -> tuple",
             "What copies and pickles make of it: the group of their process.") {
  (void)f;
  return Py_BuildValue("(N())", PyObject_GetAttrString(distributed, "init"));
}

DISTRIBUTED(is_available, "backend: str = 'any' -> bool",
            "Can processes be connected by the backend? False: this build has none.") {
  (void)f;
  Py_RETURN_FALSE;
}
DISTRIBUTED(
    init, "strict: bool = False, backend: str = 'any', *, all_gather_factory: object? = None -> Group",
    "The group of all processes: this one alone. RuntimeError if strict, as no backend connects others. "
    "backend: 'any', 'mpi', 'ring', 'nccl' or 'jaccl', else ValueError; all_gather_factory goes with "
    "'jaccl' alone.") {
  static const char *const backends[] = {"any", "mpi", "ring", "nccl", "jaccl"};
  const char *backend = f->v[1].s;
  bool known = false;
  for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
    known = known || strcmp(backend, backends[i]) == 0;
  if (!known)
    return PyErr_Format(PyExc_ValueError,
                        "[init] expected the backend 'any', 'mpi', 'ring', 'nccl' or 'jaccl', got '%s'",
                        backend);
  if (py_given(f, 2) && strcmp(backend, "jaccl") != 0)
    return PyErr_Format(PyExc_ValueError,
                        "[init] expected all_gather_factory with the backend 'jaccl' alone, got '%s'",
                        backend);
  if (f->v[0].b)
    return PyErr_Format(PyExc_RuntimeError,
                        "[init] expected a backend that connects processes, which this build lacks (strict)");
  return Py_NewRef(world);
}

/* ---- Collectives ---- */
/* Argument i is a group, or absent? Else TypeError. */
static bool group_fits(const frame *f, int i) {
  if (!py_given(f, i) || Py_TYPE(f->v[i].o) == group_type) return true;
  py_wrong_argument(f, i, "a Group");
  return false;
}
/* What a collective gives in a group of one: x. */
static PyObject *own(const frame *f) { return group_fits(f, 1) ? py_wrap(f->v[0].a) : NULL; }

DISTRIBUTED(all_sum, "x: value, " GROUP, "The sum of the processes' x: x itself in a group of one.") {
  return own(f);
}
DISTRIBUTED(all_max, "x: value, " GROUP, "The maximum of the processes' x: x itself in a group of one.") {
  return own(f);
}
DISTRIBUTED(all_min, "x: value, " GROUP, "The minimum of the processes' x: x itself in a group of one.") {
  return own(f);
}
DISTRIBUTED(all_gather, "x: value, " GROUP,
            "The processes' x one after the other along axis 0: x itself in a group of one.") {
  return own(f);
}
DISTRIBUTED(
    sum_scatter, "x: value, " GROUP,
    "This process's part, along axis 0, of the sum of the processes' x: x itself in a group of one.") {
  return own(f);
}

/* ---- From one process to another ---- */
static PyObject *alone(const frame *f, int group, const char *what) {
  if (!group_fits(f, group)) return NULL;
  return PyErr_Format(PyExc_ValueError, "[%s] expected another process in the group, got a group of one",
                      what);
}
DISTRIBUTED(send, "x: value, dst: int32, " GROUP, "ValueError: a group of one has nobody to send to.") {
  return alone(f, 2, "send");
}
DISTRIBUTED(recv, "shape: ints, dtype: dtype, src: int32, " GROUP,
            "ValueError: a group of one has nobody to receive from.") {
  return alone(f, 3, "recv");
}
DISTRIBUTED(recv_like, "x: value, src: int32, " GROUP,
            "ValueError: a group of one has nobody to receive from.") {
  return alone(f, 2, "recv_like");
}

static struct PyModuleDef distributed_module = {.m_base = PyModuleDef_HEAD_INIT,
                                                .m_name = "mlx.core.distributed",
                                                .m_doc = "Groups of processes: here that of this one alone.",
                                                .m_size = -1};

static int add_group(PyObject *module) {
  PyType_Slot slots[] = {
      {Py_tp_methods, py_method_table("mlx.core.distributed.Group", __start_mx_group, __stop_mx_group, NULL)},
      {Py_tp_doc, "Processes that compute together. Made by init()."},
      {0, NULL}};
  PyType_Spec spec = {"mlx.core.distributed.Group", sizeof(PyObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  group_type = slots[0].pfunc ? (PyTypeObject *)PyType_FromSpec(&spec) : NULL;
  world = group_type ? PyType_GenericAlloc(group_type, 0) : NULL;
  return world ? py_add_type(module, "Group", group_type) : -1;
}

int py_distributed_init(PyObject *module) {
  PyObject *m = distributed = PyModule_Create(&distributed_module);
  if (!m || add_group(m) < 0 || py_add_functions(m, __start_mx_distributed, __stop_mx_distributed) < 0)
    return -1;
  if (PyDict_SetItemString(PyImport_GetModuleDict(), "mlx.core.distributed", m) < 0) return -1;
  return py_add_object(module, "distributed", m);
}
