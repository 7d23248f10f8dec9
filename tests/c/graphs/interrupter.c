#include "graphs/interrupter.h"
#include "mlx/mlx.h"
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

static sem_t wanted, called;
static uint64_t delay;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *run(void *unused) {
  for (;;) {
    sem_wait(&wanted);
    for (uint64_t end = now() + delay; now() < end;) {} // sleeping takes longer than most evaluations
    mx_interrupt();
    sem_post(&called);
  }
  return NULL;
}

static void start(void) {
  pthread_t thread;
  sem_init(&wanted, 0, 0);
  sem_init(&called, 0, 0);
  pthread_create(&thread, NULL, run, NULL);
  pthread_detach(thread);
}

void interrupt_after(uint64_t nanoseconds) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
  delay = nanoseconds;
  sem_post(&wanted);
}

void interrupt_await(void) { sem_wait(&called); }
