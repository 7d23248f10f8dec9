/* cuDNN as far as the backend uses it (src/cuda/api/cudnn.h): a graph of one convolution, by loops.
   Descriptors are checked as cuDNN's documentation says. Its heuristics name an engine first that would give
   other results each time, and some convolutions have no engine at all. */
#include "cuda/api/cudnn.h"
#include "driver.h"
#include "memory.h"
#include "numbers.h"
#include <map>
#include <memory>
#include <string.h>
#include <vector>

extern "C" {
#define MX_CUDA_FN(name, ...) __attribute__((visibility("default"))) cudnnStatus_t name(__VA_ARGS__);
#include "cuda/api/cudnn.def"
#undef MX_CUDA_FN
}

struct cudnnContext {
  CUstream stream;
};

namespace emulator {
namespace {

struct attribute {
  int type;
  std::vector<char> bytes;
};
/* What a descriptor refers to stays while it does. */
struct descriptor {
  int type;
  bool is_final = false;
  std::map<int, attribute> attributes = {};
  std::vector<std::shared_ptr<descriptor>> referred = {};
  int engine = 0; // of a configuration and its engine
};
using reference = std::shared_ptr<descriptor>;

reference &at(cudnnBackendDescriptor_t d) { return *static_cast<reference *>(d); }

size_t bytes_of(int type) {
  switch (type) {
  case CUDNN_TYPE_HANDLE:
  case CUDNN_TYPE_INT64:
  case CUDNN_TYPE_VOID_PTR:
  case CUDNN_TYPE_BACKEND_DESCRIPTOR: return 8;
  default: return 4;
  }
}

template <class T> std::vector<T> values(const reference &d, int name, int type) {
  const auto found = d->attributes.find(name);
  if (found == d->attributes.end() || found->second.type != type) return {};
  std::vector<T> all(found->second.bytes.size() / sizeof(T));
  memcpy(all.data(), found->second.bytes.data(), all.size() * sizeof(T));
  return all;
}
std::vector<int64_t> integers(const reference &d, int name) {
  return values<int64_t>(d, name, CUDNN_TYPE_INT64);
}
/* The one that an attribute refers to, if it is final and of this type. */
reference referred(const reference &d, int name, int type) {
  const auto found = values<size_t>(d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR);
  for (const reference &r : d->referred)
    if (!found.empty() && r.get() == reinterpret_cast<descriptor *>(found[0]))
      return r->type == type && r->is_final ? r : nullptr;
  return nullptr;
}

/* ---- What is accepted ---- */
bool is_tensor(const reference &d) {
  const auto dims = integers(d, CUDNN_ATTR_TENSOR_DIMENSIONS),
             strides = integers(d, CUDNN_ATTR_TENSOR_STRIDES), id = integers(d, CUDNN_ATTR_TENSOR_UNIQUE_ID),
             alignment = integers(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
  bool positive = true;
  for (const int64_t n : dims) positive = positive && n > 0;
  for (const int64_t n : strides) positive = positive && n > 0;
  return positive && dims.size() == strides.size() && (dims.size() == 4 || dims.size() == 5) &&
         id.size() == 1 && alignment.size() == 1 &&
         values<int>(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE).size() == 1;
}
bool is_convolution(const reference &d) {
  const auto axes = integers(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
  if (axes.size() != 1 ||
      values<int>(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE).size() != 1 ||
      values<int>(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE).size() != 1)
    return false;
  for (const int name : {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES,
                         CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS})
    if (int64_t(integers(d, name).size()) != axes[0]) return false;
  return true;
}

/* A convolution in numbers. */
struct convolution {
  int type, mode;
  std::vector<int64_t> x, w, y, x_strides, w_strides, y_strides; // batch and channels, then spatial axes
  std::vector<int64_t> low, high, stride, dilation;
  int64_t ids[3];
  size_t axes() const { return low.size(); }
};
bool read_operation(const reference &op, convolution *c) {
  const reference how =
      referred(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const int names[3] = {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};
  std::vector<int64_t> *const dims[3] = {&c->x, &c->w, &c->y}, *const strides[3] = {&c->x_strides,
                                                                                    &c->w_strides,
                                                                                    &c->y_strides};
  if (!how) return false;
  for (int i = 0; i < 3; i++) {
    const reference tensor = referred(op, names[i], CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    if (!tensor) return false;
    *dims[i] = integers(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS);
    *strides[i] = integers(tensor, CUDNN_ATTR_TENSOR_STRIDES);
    c->ids[i] = integers(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID)[0];
    c->type = values<int>(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE)[0];
  }
  c->mode = values<int>(how, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE)[0];
  c->low = integers(how, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  c->high = integers(how, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
  c->stride = integers(how, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  c->dilation = integers(how, CUDNN_ATTR_CONVOLUTION_DILATIONS);
  return true;
}
bool is_operation(const reference &d) {
  convolution c;
  if (!read_operation(d, &c) || c.x.size() != c.axes() + 2 || c.w.size() != c.x.size() ||
      c.y.size() != c.x.size())
    return false;
  const auto alpha = values<float>(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT),
             beta = values<float>(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT);
  if (alpha != std::vector<float>{1} || beta != std::vector<float>{0}) return false;
  for (size_t i = 0; i < c.axes(); i++) {
    const int64_t window = (c.w[i + 2] - 1) * c.dilation[i] + 1, padded = c.x[i + 2] + c.low[i] + c.high[i];
    if (padded < window || (padded - window) / c.stride[i] + 1 != c.y[i + 2]) return false;
  }
  return c.x[0] == c.y[0] && c.w[0] == c.y[1] && c.x[1] % c.w[1] == 0 && c.w[0] % (c.x[1] / c.w[1]) == 0;
}
bool is_complete(const reference &d) {
  switch (d->type) {
  case CUDNN_BACKEND_TENSOR_DESCRIPTOR: return is_tensor(d);
  case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: return is_convolution(d);
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: return is_operation(d);
  case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
    return !values<size_t>(d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE).empty() &&
           referred(d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
    return values<int>(d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE) ==
               std::vector<int>{CUDNN_HEUR_MODE_A} &&
           referred(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
    return !values<size_t>(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE).empty() &&
           referred(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
    return !integers(d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).empty() &&
           integers(d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).size() ==
               values<void *>(d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR).size() &&
           values<void *>(d, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR).size() == 1;
  default: return false;
  }
}

/* ---- Engines ---- */
enum { INEXACT = 1, EXACT = 2, WORKSPACE = 512 };

/* The engines of a graph, the best first. */
std::vector<int> engines_for(const convolution &c) {
  if (c.y[1] % 4 || c.mode == CUDNN_CONVOLUTION) return {};
  return {INEXACT, EXACT};
}

/* ---- Convolving ---- */
template <class T> void convolve(const convolution &c, const T *x, const T *w, T *y) {
  const size_t axes = c.axes();
  const int64_t groups = c.x[1] / c.w[1], of_group = c.w[0] / groups;
  std::vector<int64_t> out(axes + 2, 0), tap(axes, 0);
  for (bool more = true; more;) {
    float sum = 0;
    const int64_t first = out[1] / of_group * c.w[1];
    tap.assign(axes, 0);
    for (bool more_taps = true; more_taps;) {
      int64_t from = out[0] * c.x_strides[0], weight = out[1] * c.w_strides[0];
      bool inside = true;
      for (size_t i = 0; i < axes; i++) {
        const int64_t position = out[i + 2] * c.stride[i] + tap[i] * c.dilation[i] - c.low[i];
        inside = inside && position >= 0 && position < c.x[i + 2];
        from += position * c.x_strides[i + 2];
        weight += tap[i] * c.w_strides[i + 2];
      }
      for (int64_t channel = 0; inside && channel < c.w[1]; channel++)
        sum += float(loaded(x[from + (first + channel) * c.x_strides[1]])) *
               float(loaded(w[weight + channel * c.w_strides[1]]));
      more_taps = false;
      for (size_t i = axes; i-- && !more_taps; tap[i] = more_taps ? tap[i] : 0)
        more_taps = ++tap[i] < c.w[i + 2];
    }
    int64_t to = 0;
    for (size_t i = 0; i < axes + 2; i++) to += out[i] * c.y_strides[i];
    store(&y[to], sum);
    more = false;
    for (size_t i = axes + 2; i-- && !more; out[i] = more ? out[i] : 0) more = ++out[i] < c.y[i];
  }
}
void run_convolution(const convolution &c, void *const tensors[3]) {
  const auto run = [&](auto element) {
    using T = decltype(element);
    convolve(c, static_cast<const T *>(tensors[0]), static_cast<const T *>(tensors[1]),
             static_cast<T *>(tensors[2]));
  };
  if (c.type == CUDNN_DATA_HALF)
    run(half_bits{});
  else if (c.type == CUDNN_DATA_BFLOAT16)
    run(bfloat_bits{});
  else
    run(float{});
}
bool is_on_device(const void *p, const std::vector<int64_t> &dims, int type) {
  size_t bytes = type == CUDNN_DATA_FLOAT ? 4 : 2;
  for (const int64_t n : dims) bytes *= size_t(n);
  return size_t(p) % 16 == 0 && on_device(reinterpret_cast<CUdeviceptr>(p), bytes);
}
} // namespace
} // namespace emulator
using namespace emulator;

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
  if (obstacle()) return CUDNN_STATUS_NOT_INITIALIZED;
  *handle = new cudnnContext{nullptr};
  return CUDNN_STATUS_SUCCESS;
}
/* A version that knows convolutions alone. */
cudnnStatus_t cudnnGetProperty(int, int *value) {
  *value = 0;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, CUstream stream) {
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendCreateDescriptor(int type, cudnnBackendDescriptor_t *d) {
  *d = new reference(new descriptor{type});
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  delete static_cast<reference *>(d);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t d) {
  if (at(d)->is_final || !is_complete(at(d))) return CUDNN_STATUS_BAD_PARAM;
  at(d)->is_final = true;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, int name, int type, int64_t n,
                                       const void *elements) {
  if (at(d)->is_final || n < 1 || !elements) return CUDNN_STATUS_BAD_PARAM;
  const char *first = static_cast<const char *>(elements);
  attribute a = {type, {first, first + size_t(n) * bytes_of(type)}};
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    const reference r = at(*static_cast<const cudnnBackendDescriptor_t *>(elements));
    const descriptor *target = r.get();
    at(d)->referred.push_back(r);
    memcpy(a.bytes.data(), &target, sizeof target);
  }
  at(d)->attributes[name] = a;
  return CUDNN_STATUS_SUCCESS;
}

/* The graph's convolution, from heuristics. */
static bool convolution_of(const reference &heuristics, convolution *c) {
  const reference graph =
      referred(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  return read_operation(
      referred(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR),
      c);
}
static cudnnStatus_t get_configurations(const reference &d, int64_t wanted, int64_t *n, void *elements) {
  convolution c;
  if (!d->is_final || !convolution_of(d, &c)) return CUDNN_STATUS_BAD_PARAM;
  cudnnBackendDescriptor_t *to = static_cast<cudnnBackendDescriptor_t *>(elements);
  *n = 0;
  for (const int engine : engines_for(c)) {
    if (*n == wanted) break;
    const reference &r = at(to[(*n)++]);
    if (r->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) return CUDNN_STATUS_BAD_PARAM;
    r->engine = engine;
    r->is_final = true;
    r->referred = {d};
  }
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t d, int name, int type, int64_t wanted,
                                       int64_t *n, void *elements) {
  const reference &r = at(d);
  *n = 1;
  if (!r->is_final || wanted < 1) return CUDNN_STATUS_BAD_PARAM;
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    return get_configurations(r, wanted, n, elements);
  if (name == CUDNN_ATTR_ENGINECFG_ENGINE && type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    const reference &engine = at(*static_cast<cudnnBackendDescriptor_t *>(elements));
    engine->engine = r->engine;
    engine->is_final = true;
    return CUDNN_STATUS_SUCCESS;
  }
  if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE) {
    *n = r->engine == INEXACT;
    if (*n) *static_cast<int *>(elements) = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    return CUDNN_STATUS_SUCCESS;
  }
  if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64) {
    *static_cast<int64_t *>(elements) = WORKSPACE;
    return CUDNN_STATUS_SUCCESS;
  }
  return CUDNN_STATUS_BAD_PARAM;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  if (obstacle()) return CUDNN_STATUS_EXECUTION_FAILED;
  if (!handle || !at(plan)->is_final || !at(pack)->is_final) return CUDNN_STATUS_BAD_PARAM;
  const reference configuration =
      referred(at(plan), CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  convolution c;
  if (!convolution_of(configuration->referred[0], &c)) return CUDNN_STATUS_BAD_PARAM;
  const auto ids = integers(at(pack), CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = values<void *>(at(pack), CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR);
  void *const workspace = values<void *>(at(pack), CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR)[0];
  std::vector<void *> tensors(3, nullptr);
  for (int i = 0; i < 3; i++)
    for (size_t j = 0; j < ids.size(); j++)
      if (ids[j] == c.ids[i]) tensors[size_t(i)] = pointers[j];
  if (!is_on_device(tensors[0], c.x, c.type) || !is_on_device(tensors[1], c.w, c.type) ||
      !is_on_device(tensors[2], c.y, c.type) ||
      !on_device(reinterpret_cast<CUdeviceptr>(workspace), WORKSPACE))
    return CUDNN_STATUS_BAD_PARAM;
  const bool exact = configuration->engine == EXACT;
  submit(handle->stream, [=] {
    if (failed_before()) return;
    const device_access access;
    memset(workspace, 0xA5, WORKSPACE);
    if (exact) run_convolution(c, tensors.data());
  });
  return CUDNN_STATUS_SUCCESS;
}
