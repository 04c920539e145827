// Common preamble of all kernels in CUDA C++, compiled at run time for the GPU. TYPE is the element type, WIDTH the
// number of elements per load. Tests, which run kernels without a GPU, replace GPU-specific definitions.
#define NUMBER_SOURCE \
  "#if TYPE == 1\n" \
  "typedef float element;\n" \
  "__device__ float widen(element e) { return e; }\n" \
  "__device__ element narrow(float f) { return f; }\n" \
  "#else\n" \
  "typedef unsigned short element;\n" \
  "#if defined __CUDACC_RTC__ && TYPE == 10\n" \
  "__device__ float widen(element e) { float f; asm(\"cvt.f32.f16 %0, %1;\" : \"=f\"(f) : \"h\"(e)); return f; }\n" \
  "__device__ element narrow(float f) {\n" \
  "  element e; asm(\"cvt.rn.f16.f32 %0, %1;\" : \"=h\"(e) : \"f\"(f)); return e; }\n" \
  "#elif defined __CUDACC_RTC__\n" \
  "__device__ float widen(element e) { return __uint_as_float((unsigned)e << 16); }\n" \
  "__device__ element narrow(float f) {\n" \
  "  element e; asm(\"cvt.rn.bf16.f32 %0, %1;\" : \"=h\"(e) : \"f\"(f)); return e; }\n" \
  "#endif\n" \
  "#endif\n" \
  "struct __align__(sizeof(element) * WIDTH) several { element e[WIDTH]; };\n" \
  "__device__ void spread(const several &a, float *v) {\n" \
  "#if defined __CUDACC_RTC__ && TYPE == 10 && WIDTH % 2 == 0\n" \
  "  #pragma unroll\n" \
  "  for (int k = 0; k < WIDTH; k += 2)\n" \
  "    asm(\"{ .reg .f16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h; }\"\n" \
  "      : \"=f\"(v[k]), \"=f\"(v[k + 1]) : \"r\"(((const unsigned *)a.e)[k / 2]));\n" \
  "#else\n" \
  "  #pragma unroll\n" \
  "  for (int k = 0; k < WIDTH; k++) v[k] = widen(a.e[k]);\n" \
  "#endif\n" \
  "}\n" \
  "__device__ float activated(int activation, float x) {\n" \
  "  switch (activation) {\n" \
  "  case 1: return fmaxf(x, 0.f);\n" \
  "  case 2: return fminf(fmaxf(x, 0.f), 6.f);\n" \
  "  case 3: return __fdividef(x, 1.f + __expf(-x));\n" \
  "  case 4: return 0.5f * x * (1.f + erff(x * 0.70710678f));\n" \
  "  case 5: return 0.5f * x * (1.f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));\n" \
  "  case 6: return __fdividef(x, 1.f + __expf(-1.702f * x));\n" \
  "  case 7: return __fdividef(1.f, 1.f + __expf(-x));\n" \
  "  case 8: return x * fminf(fmaxf(x + 3.f, 0.f), 6.f) / 6.f;\n" \
  "  case 9: return fminf(fmaxf(x + 3.f, 0.f), 6.f) / 6.f;\n" \
  "  case 10: return tanhf(x);\n" \
  "  default: return x;\n" \
  "  }\n" \
  "}\n"
