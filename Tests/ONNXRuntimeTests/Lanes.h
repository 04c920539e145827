// CUDA's environment of a kernel, for a processor: 32 threads are the lanes of a warp, which wait for each other to
// exchange values. Warps and blocks run one after the other.

#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define __device__ static inline
#define __global__
#define __align__(bytes) alignas(bytes)
#define __expf expf

enum { LANES = 32 };

struct coordinates { unsigned x; };
static thread_local coordinates threadIdx, blockIdx;
static coordinates blockDim;

static pthread_barrier_t meeting;
static float told[LANES];

static float __shfl_xor_sync(unsigned, float number, int mask) {
  unsigned lane = threadIdx.x % LANES;
  told[lane] = number;
  pthread_barrier_wait(&meeting);
  float other = told[lane ^ (unsigned)mask];
  pthread_barrier_wait(&meeting);
  return other;
}

template <class To, class From> static To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "as many bits");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

static inline float __uint_as_float(unsigned bits) { return same_bits<float>(bits); }
static inline float __int_as_float(int bits) { return same_bits<float>(bits); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }

#if TYPE == 10
static inline float widen(unsigned short half) { return same_bits<_Float16>(half); }
static inline unsigned short narrow(float number) { return same_bits<unsigned short>((_Float16)number); }
#elif TYPE == 16
static inline float widen(unsigned short half) { return same_bits<float>((unsigned)half << 16); }
// To the nearest, and of two to the even one.
static inline unsigned short narrow(float number) {
  unsigned bits = same_bits<unsigned>(number);
  return (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
#endif

template <unsigned... places> struct list {};
template <class, unsigned... places> using list_of = list<places...>;
template <unsigned count> using up_to = __make_integer_seq<list_of, unsigned, count>;

template <class... Parameters> struct run {
  void (*kernel)(Parameters...);
  void **arguments;
  unsigned blocks, threads, lane;

  template <unsigned... places> void call(list<places...>) const { kernel(*(Parameters *)arguments[places]...); }

  static void *follow(void *given) {
    const run &it = *(const run *)given;
    for (blockIdx.x = 0; blockIdx.x < it.blocks; blockIdx.x++) {
      for (threadIdx.x = it.lane; threadIdx.x < it.threads; threadIdx.x += LANES)
        it.call(up_to<sizeof...(Parameters)>());
    }
    return nullptr;
  }
};

template <class... Parameters>
static void launch(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, void **arguments) {
  pthread_barrier_init(&meeting, nullptr, LANES);
  blockDim.x = threads;
  run<Parameters...> lanes[LANES];
  pthread_t workers[LANES];
  for (unsigned lane = 0; lane < LANES; lane++) {
    lanes[lane] = {kernel, arguments, blocks, threads, lane};
    pthread_create(&workers[lane], nullptr, run<Parameters...>::follow, &lanes[lane]);
  }
  for (unsigned lane = 0; lane < LANES; lane++) pthread_join(workers[lane], nullptr);
  pthread_barrier_destroy(&meeting);
}

#define LAUNCHER(kernel) \
  extern "C" void launch_##kernel(unsigned blocks, unsigned threads, void **arguments) { \
    launch(kernel, blocks, threads, arguments); \
  }
