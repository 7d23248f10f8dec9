#include "sampler.h"

/* Nucleus sampling (Holtzman et al. 2019): of the sorted probabilities, those stay that the running sum from
   the smallest upwards finds above 1 - p. */
static mx_array choose_nucleus(mx_array logits, double p) {
  mx_array probabilities = mx_softmax(logits, MX_AXES(-1), true);
  mx_array order = mx_argsort(probabilities, -1);
  mx_array ascending = mx_take_along_axis(probabilities, order, -1);
  mx_array sums = mx_cumsum(ascending, -1, false, true);
  mx_array kept = mx_where(mx_greater(sums, mx_float(1 - p)), ascending, mx_float(0));
  mx_array place = mx_random_categorical(mx_log(kept), -1, MX_ALL_AXES, NULL);
  return mx_squeeze(mx_take_along_axis(order, mx_expand_dims(place, MX_AXES(-1)), -1), MX_AXES(-1));
}

mx_array sampler_choose(const struct sampler *s, mx_array logits) {
  if (s->temperature <= 0) return mx_argmax(logits, -1, false);
  mx_array scaled = mx_multiply(logits, mx_float(1 / s->temperature));
  if (s->top_p > 0 && s->top_p < 1) return choose_nucleus(scaled, s->top_p);
  return mx_random_categorical(scaled, -1, MX_ALL_AXES, NULL);
}
