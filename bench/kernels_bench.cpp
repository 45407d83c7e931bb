// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The kernels on one core, read against what the core can do: fp32 multiply-adds in registers and copying memory, both
// measured in the same run. Times are the best of many calls, as other work on the machine only ever adds to them.
//   kernels_bench [--target=AVX2] [--benchmark_filter=scores] [--benchmark_format=json]
// Arguments of a benchmark: queries b, rows n, dim d, and floats between the rows of the [b, n] matrix.
#include "kernels/backend.hpp"
#include "kernels/cpu/targets.hpp"
#include "kernels_peak.hpp"
#include "kernels_storage.hpp"

#include <benchmark/benchmark.h>
#ifdef TESSERA_HAVE_OPENBLAS
#include <cblas.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::bench {
namespace {

using kernels::AdagradStep;
using kernels::ConstMatrix;
using kernels::Matrix;
using kernels::Similarity;

const kernels::Backend& backend() { return kernels::cpu_backend(); }

/// What the machine does at best, as seen so far.
struct Machine {
  double peak_gflops = 0;
  double bf16_gflops = 0;
  double copy_gbytes = 0;
};

Machine& machine() {
  static Machine instance;
  return instance;
}

/// Calls the kernel once per iteration and returns the seconds of the fastest call.
template <class Call>
double fastest(benchmark::State& state, const Call& call) {
  double best = 1e30;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    call();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    benchmark::ClobberMemory();
  }
  machine().peak_gflops = std::max(machine().peak_gflops, measure_peak_gflops(50));
  machine().bf16_gflops = std::max(machine().bf16_gflops, measure_bf16_gflops(50));
  return best;
}

/// Against the peak of such operations.
void report_flops(benchmark::State& state, double flops, double seconds, double peak) {
  state.counters["GFLOPS"] = flops / seconds / 1e9;
  state.counters["peak%"] = 100 * flops / seconds / 1e9 / peak;
  state.counters["best_us"] = seconds * 1e6;
}

void report_flops(benchmark::State& state, double flops, double seconds) {
  report_flops(state, flops, seconds, machine().peak_gflops);
}

/// Products: of chains in fp32, or of operands in bfloat16.
struct Products {
  const kernels::Backend& backend;
  const double& peak_gflops;
};

Products fp32_products() { return {kernels::cpu_backend(), machine().peak_gflops}; }
Products bf16_products() { return {kernels::cpu_bfloat16_backend(), machine().bf16_gflops}; }

/// The packed side of a move stays in the cache, so that more than 100 % of copying memory is possible.
void report_bytes(benchmark::State& state, double bytes, double seconds) {
  state.counters["GB/s"] = bytes / seconds / 1e9;
  state.counters["copy%"] = 100 * bytes / seconds / 1e9 / machine().copy_gbytes;
  state.counters["best_us"] = seconds * 1e6;
}

void scores(benchmark::State& state, const Products& products, Similarity similarity, double flops_per_step) {
  const Step step(state);
  const double seconds = fastest(state, [&] {
    products.backend.scores.all_pairs(similarity, step.queries.view(), step.rows.view(), step.weights.view());
  });
  report_flops(state, step.flops() / 2 * flops_per_step, seconds, products.peak_gflops);
}

void to_queries(benchmark::State& state, const Products& products) {
  const Step step(state);
  const auto& gradients = products.backend.gradients;
  const double seconds =
      fastest(state, [&] { gradients.to_queries(step.weights.view(), step.rows.view(), step.to_queries.view()); });
  report_flops(state, step.flops(), seconds, products.peak_gflops);
}

void to_rows(benchmark::State& state, const Products& products) {
  const Step step(state);
  const auto& gradients = products.backend.gradients;
  const double seconds =
      fastest(state, [&] { gradients.to_rows(step.weights.view(), step.queries.view(), step.to_rows.view()); });
  report_flops(state, step.flops(), seconds, products.peak_gflops);
}

void ranks(benchmark::State& state) {
  const Step step(state);
  const std::vector<float> targets(step.b, 0.5F);
  std::vector<std::uint32_t> greater(step.b);
  std::vector<std::uint32_t> equal(step.b);
  const double seconds = fastest(state, [&] {
    backend().ranks.count(Similarity::kDot, {step.queries.view(), step.rows.view(), targets}, {greater, equal});
  });
  report_flops(state, step.flops(), seconds);
}

void pairs(benchmark::State& state) {
  const Step step(state);
  std::vector<float> out(step.b);
  const double seconds = fastest(
      state, [&] { backend().scores.pairs(Similarity::kDot, step.queries.view(), step.to_queries.view(), out); });
  report_flops(state, 2.0 * static_cast<double>(step.b * step.d), seconds);
}

void softmax(benchmark::State& state) {
  const Step step(state);
  const std::vector<float> targets(step.b, 0.5F);
  std::vector<float> losses(step.b);
  std::vector<float> target_weights(step.b);
  const double seconds = fastest(state, [&] {
    backend().softmax.cross_entropy(step.weights.view(), {targets, losses, target_weights}, 0, 1);
  });
  state.counters["Gelements/s"] = static_cast<double>(step.b * step.n) / seconds / 1e9;
  state.counters["best_us"] = seconds * 1e6;
}

/// Rows of a table far larger than any cache. Arguments: rows moved, dim.
struct Moves {
  explicit Moves(const benchmark::State& state)
      : count(static_cast<std::size_t>(state.range(0))),
        table(static_cast<std::size_t>(1 << 19), static_cast<std::size_t>(state.range(1))),
        packed(count, static_cast<std::size_t>(state.range(1))),
        indices(table.view().rows) {
    std::iota(indices.begin(), indices.end(), 0U);
    std::shuffle(indices.begin(), indices.end(), std::minstd_rand(1));
  }
  /// Other rows in each call, distinct within it.
  [[nodiscard]] std::span<const std::uint32_t> next() {
    first_ = first_ + 2 * count <= indices.size() ? first_ + count : 0;
    return std::span(indices).subspan(first_, count);
  }
  [[nodiscard]] double bytes() const { return static_cast<double>(count * table.view().cols * sizeof(float)); }

  std::size_t count;
  Storage table, packed;
  std::vector<std::uint32_t> indices;

 private:
  std::size_t first_ = 0;
};

/// Rows and states of a format, as Moves has them in fp32.
struct StoredMoves : Moves {
  StoredMoves(const benchmark::State& state, kernels::RowFormat row_format, kernels::StateFormat state_format)
      : Moves(state),
        row_bytes(kernels::row_bytes(row_format, table.view().cols)),
        state_bytes(kernels::state_bytes(state_format, table.view().cols)),
        row_memory(table.view().rows, (row_bytes + 3) / 4),
        state_memory(table.view().rows, (state_bytes + 3) / 4),
        rows(row_format, reinterpret_cast<std::byte*>(row_memory.view().data), table.view().rows, table.view().cols,
             row_memory.view().stride * sizeof(float)),
        states(state_format, reinterpret_cast<std::byte*>(state_memory.view().data), table.view().rows,
               table.view().cols, state_memory.view().stride * sizeof(float)) {
    backend().rows.encode(table.view(), rows);
    for (std::size_t i = 0; i < states.rows; ++i) std::memset(states.row(i), 0, state_bytes);
  }
  /// Bytes that a call reads and writes, with so many of the rows, the states, and the packed side in fp32.
  [[nodiscard]] double bytes_of(double of_rows, double of_states) const {
    return Moves::bytes() + static_cast<double>(count) * (of_rows * static_cast<double>(row_bytes) +
                                                          of_states * static_cast<double>(state_bytes));
  }

  std::size_t row_bytes, state_bytes;
  Storage row_memory, state_memory;
  kernels::StoredRows rows;
  kernels::StoredState states;
};

void report_rows(benchmark::State& state, const StoredMoves& moves, double bytes, double seconds) {
  report_bytes(state, bytes, seconds);
  state.counters["Mrows/s"] = static_cast<double>(moves.count) / seconds / 1e6;
}

void gather(benchmark::State& state, kernels::RowFormat format) {
  StoredMoves moves(state, format, kernels::StateFormat::kLog8);
  const double seconds = fastest(state, [&] { backend().rows.gather(moves.rows, moves.next(), moves.packed.view()); });
  report_rows(state, moves, moves.bytes_of(1, 0), seconds);
}

void scatter(benchmark::State& state) {
  Moves moves(state);
  const double seconds =
      fastest(state, [&] { backend().rows.scatter(moves.packed.view(), moves.next(), moves.table.view()); });
  report_bytes(state, 2 * moves.bytes(), seconds);
}

void sum_segments(benchmark::State& state) {
  Moves moves(state);
  const std::size_t segments = moves.count / 4;
  std::vector<std::uint32_t> offsets(segments + 1);
  for (std::size_t u = 0; u <= segments; ++u) offsets[u] = static_cast<std::uint32_t>(4 * u);
  const Matrix out = moves.packed.view().block(0, segments);
  const double seconds =
      fastest(state, [&] { backend().rows.sum_segments(moves.table.view(), offsets, moves.next(), out); });
  report_bytes(state, 1.25 * moves.bytes(), seconds);
}

void adagrad(benchmark::State& state, kernels::RowFormat format, kernels::StateFormat state_format) {
  StoredMoves moves(state, format, state_format);
  const double seconds = fastest(state, [&] {
    moves.rows.rounding.key += 1;
    backend().updates.adagrad(AdagradStep{}, moves.packed.view(), moves.next(), moves.rows, moves.states);
  });
  report_rows(state, moves, moves.bytes_of(2, 2), seconds);
}

void rowwise_adagrad(benchmark::State& state, kernels::RowFormat format) {
  StoredMoves moves(state, format, kernels::StateFormat::kLog8);
  std::vector<float> squares(moves.table.view().rows, 1.0F);
  const double seconds = fastest(state, [&] {
    moves.rows.rounding.key += 1;
    backend().updates.rowwise_adagrad(AdagradStep{}, moves.packed.view(), moves.next(), moves.rows, squares);
  });
  report_rows(state, moves, moves.bytes_of(2, 0), seconds);
}

#ifdef TESSERA_HAVE_OPENBLAS
struct Product {
  CBLAS_TRANSPOSE transpose_left;
  CBLAS_TRANSPOSE transpose_right;
};

void multiply(Product product, ConstMatrix left, ConstMatrix right, std::size_t steps, Matrix out) {
  const auto count = [](std::size_t value) { return static_cast<blasint>(value); };
  cblas_sgemm(CblasRowMajor, product.transpose_left, product.transpose_right, count(out.rows), count(out.cols),
              count(steps), 1.0F, left.data, count(left.stride), right.data, count(right.stride), 0.0F, out.data,
              count(out.stride));
}

void openblas_scores(benchmark::State& state) {
  const Step step(state);
  const double seconds = fastest(state, [&] {
    multiply({CblasNoTrans, CblasTrans}, step.queries.view(), step.rows.view(), step.d, step.weights.view());
  });
  report_flops(state, step.flops(), seconds);
}

void openblas_to_queries(benchmark::State& state) {
  const Step step(state);
  const double seconds = fastest(state, [&] {
    multiply({CblasNoTrans, CblasNoTrans}, step.weights.view(), step.rows.view(), step.n, step.to_queries.view());
  });
  report_flops(state, step.flops(), seconds);
}

void openblas_to_rows(benchmark::State& state) {
  const Step step(state);
  const double seconds = fastest(state, [&] {
    multiply({CblasTrans, CblasNoTrans}, step.weights.view(), step.queries.view(), step.b, step.to_rows.view());
  });
  report_flops(state, step.flops(), seconds);
}
#endif

/// Every shape, and two whose rows of [b, n] do not all begin at the same place of a page.
void all_shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"b", "n", "d", "gap"});
  for (const int b : {128, 256, 512})
    for (const int n : {512, 2048})
      for (const int d : {100, 128, 256}) bench->Args({b, n, d, 0});
  bench->Args({256, 512, 128, 16})->Args({256, 2048, 128, 16});
}

void one_shape(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"b", "n", "d", "gap"})->Args({256, 512, 128, 0});
}

void moves(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "d"})->Args({1024, 128})->Args({1024, 100});
}

/// What moves entity rows, for each format of rows and states.
void register_formats() {
  using kernels::RowFormat;
  using kernels::StateFormat;
  const std::pair<const char*, RowFormat> formats[] = {
      {"fp32", RowFormat::kFp32}, {"bf16", RowFormat::kBf16}, {"fp16", RowFormat::kFp16}, {"int8", RowFormat::kInt8}};
  for (const auto& [name, format] : formats) {
    const std::string of = std::string("/") + name;
    moves(benchmark::RegisterBenchmark(("gather" + of).c_str(), gather, format));
    moves(benchmark::RegisterBenchmark(("adagrad" + of).c_str(), adagrad, format, StateFormat::kFp32));
    moves(benchmark::RegisterBenchmark(("adagrad" + of + "+log8").c_str(), adagrad, format, StateFormat::kLog8));
    moves(benchmark::RegisterBenchmark(("rowwise_adagrad" + of).c_str(), rowwise_adagrad, format));
  }
}

void register_all() {
  // Operations per step: dot 2; L1 difference, absolute value and sum, one instruction each, so half the peak at best;
  // L2 difference and multiply-add, so three quarters of the peak at best.
  const auto products = [](const std::string& suffix, const Products& of) {
    all_shapes(benchmark::RegisterBenchmark(("scores/dot" + suffix).c_str(), scores, of, Similarity::kDot, 2.0));
    all_shapes(benchmark::RegisterBenchmark(("to_queries" + suffix).c_str(), to_queries, of));
    all_shapes(benchmark::RegisterBenchmark(("to_rows" + suffix).c_str(), to_rows, of));
  };
  products("", fp32_products());
  if (kernels::cpu::has_bfloat16_products()) products("/bf16", bf16_products());
  all_shapes(benchmark::RegisterBenchmark("ranks", ranks));
  one_shape(benchmark::RegisterBenchmark("scores/l1", scores, fp32_products(), Similarity::kNegativeL1, 3.0));
  one_shape(benchmark::RegisterBenchmark("scores/l2", scores, fp32_products(), Similarity::kNegativeL2, 3.0));
  one_shape(benchmark::RegisterBenchmark("pairs", pairs));
  one_shape(benchmark::RegisterBenchmark("softmax", softmax));
  register_formats();
  moves(benchmark::RegisterBenchmark("scatter", scatter));
  moves(benchmark::RegisterBenchmark("sum_segments", sum_segments));
#ifdef TESSERA_HAVE_OPENBLAS
  all_shapes(benchmark::RegisterBenchmark("openblas/scores", openblas_scores));
  all_shapes(benchmark::RegisterBenchmark("openblas/to_queries", openblas_to_queries));
  all_shapes(benchmark::RegisterBenchmark("openblas/to_rows", openblas_to_rows));
#endif
}

/// Takes --target=NAME out of the arguments and restricts the kernels to it; false if there is no such target.
bool choose_target(int* argc, char** argv) {
  constexpr std::string_view kOption = "--target=";
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(kOption)) continue;
    const std::vector<std::int64_t> targets = kernels::cpu::available_targets();
    const auto found = std::find_if(targets.begin(), targets.end(), [&](std::int64_t target) {
      return kernels::cpu::target_name(target) == argument.substr(kOption.size());
    });
    if (found == targets.end()) return false;
    kernels::cpu::use_target(*found);
    std::rotate(argv + i, argv + i + 1, argv + *argc);
    --*argc;
    return true;
  }
  return true;
}

void describe_machine() {
  machine().copy_gbytes = measure_copy_gbytes();
  machine().peak_gflops = measure_peak_gflops(10'000);
  machine().bf16_gflops = measure_bf16_gflops(10'000);
  const auto text = [](double value) { return std::to_string(value); };
  benchmark::AddCustomContext("kernels_target", kernels::cpu::target_name());
  benchmark::AddCustomContext("peak_gflops_one_core", text(machine().peak_gflops));
  benchmark::AddCustomContext("bf16_gflops_one_core", text(machine().bf16_gflops));
  benchmark::AddCustomContext("copy_gbytes_one_core", text(machine().copy_gbytes));
#ifdef TESSERA_HAVE_OPENBLAS
  openblas_set_num_threads(1);
  benchmark::AddCustomContext("openblas_core", openblas_get_corename());
#endif
}

}  // namespace
}  // namespace tessera::bench

int main(int argc, char** argv) {
  if (!tessera::bench::choose_target(&argc, argv)) {
    std::fputs("kernels_bench: no such target on this machine\n", stderr);
    return 64;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 64;
  tessera::bench::describe_machine();
  tessera::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
