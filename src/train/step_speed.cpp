// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/step_speed.hpp"

#include "core/parallel.hpp"
#include "kernels/padding.hpp"
#include "memory/place.hpp"
#include "train/queries_step.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <vector>

namespace tessera::train {
namespace {

using kernels::Space;
using memory::Place;
using memory::Tag;

constexpr std::size_t kMostQueries = 1024;  // more are no faster
constexpr std::size_t kTile = QueriesStep::kTileRows;
constexpr std::size_t kMostDeviceTiles = 32;  // that are candidates at once on a device, where a whole part is
constexpr double kSeconds = 0.1;
constexpr float kValue = 1.0F / 64;  // of every element

// Memory for the candidates of `tiles` tiles, and a step on them.
template <Space kSpace>
class Rehearsal {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;

  Rehearsal(Place<kSpace>& place, const kernels::BasicBackend<kSpace>& backend, const StepShape& shape,
            std::size_t tiles)
      : place_(place),
        kernels_(backend),
        tiles_(tiles),
        queries_(matrix(shape.queries, shape.dim)),
        rows_(matrix(tiles * kTile, shape.dim)),
        state_(matrix(tiles * kTile, shape.dim)),
        scores_(matrix(shape.queries, kernels::padded_stride(tiles * kTile))),
        highest_(matrix(shape.queries, tiles)),
        sums_(matrix(shape.queries, tiles)),
        factors_(matrix(tiles, shape.queries)),
        query_gradients_(matrix(shape.queries, shape.dim)),
        row_gradients_(matrix(tiles * kTile, shape.dim)),
        indices_(place.template allocate<std::uint32_t>(Tag::kBatch, tiles * kTile)),
        packed_queries_(bytes(backend.gradients.packed_bytes(shape.queries, shape.dim))),
        packed_rows_(bytes(backend.gradients.packed_bytes(tiles * kTile, shape.dim))),
        packed_weights_(bytes(backend.gradients.packed_weight_bytes(shape.queries, tiles * kTile))) {
    std::vector<std::uint32_t> counting(tiles * kTile);
    std::iota(counting.begin(), counting.end(), 0U);
    place.bring(std::span<const std::uint32_t>(counting), indices_.span());
    for (const Matrix& matrix : {queries_, rows_, factors_}) fill(matrix);
    place.finish();
  }

  void run() {
    const auto queries = kernels_.gradients.pack(queries_, packed_queries_.span());
    const auto rows = kernels_.gradients.pack(rows_, packed_rows_.span());
    const Matrix scores = scores_.columns(0, tiles_ * kTile);
    kernels_.scores.all_pairs(kernels::Similarity::kDot, queries, rows, scores);
    kernels_.softmax.exponentials(scores, kTile, highest_, sums_);
    const auto weights =
        kernels_.gradients.pack(kernels::BasicTiledWeights<kSpace>{scores, factors_, kTile}, packed_weights_.span());
    kernels_.gradients.to_queries_tiled(weights, rows, query_gradients_);
    kernels_.gradients.to_rows_tiled(weights, queries, row_gradients_);
    kernels_.updates.adagrad({}, row_gradients_, indices_.span(), rows_, state_);
  }

 private:
  Matrix matrix(std::size_t rows, std::size_t cols) {
    memory_.push_back(place_.template allocate<float>(Tag::kBatch, rows * cols));
    return {memory_.back().data(), rows, cols, cols};
  }
  auto bytes(std::uint64_t count) { return place_.template allocate<std::byte>(Tag::kBatch, count); }
  void fill(const Matrix& matrix) {
    const std::vector<float> values(matrix.rows * matrix.cols, kValue);
    place_.bring(std::span<const float>(values), kernels::Vector<kSpace, float>(matrix.data, values.size()));
    place_.finish();
  }

  Place<kSpace>& place_;
  const kernels::BasicBackend<kSpace>& kernels_;
  std::size_t tiles_;
  std::vector<typename Place<kSpace>::template Buffer<float>> memory_;
  Matrix queries_;
  Matrix rows_;
  Matrix state_;
  Matrix scores_;
  Matrix highest_;
  Matrix sums_;
  Matrix factors_;
  Matrix query_gradients_;
  Matrix row_gradients_;
  typename Place<kSpace>::template Buffer<std::uint32_t> indices_;
  typename Place<kSpace>::template Buffer<std::byte> packed_queries_;
  typename Place<kSpace>::template Buffer<std::byte> packed_rows_;
  typename Place<kSpace>::template Buffer<std::byte> packed_weights_;
};

StepShape at_most(const StepShape& shape) { return {std::min(shape.queries, kMostQueries), shape.dim}; }

// An upper bound of what a rehearsal takes: floats and rounded copies of three matrices of rows and two of scores.
std::uint64_t bytes_for(const StepShape& shape, std::size_t tiles) {
  const std::uint64_t rows = tiles * kTile + shape.queries;
  const std::uint64_t floats = 5 * rows * (shape.dim + 64) + 3 * shape.queries * (tiles * kTile + 64);
  return 2 * sizeof(float) * floats + (std::uint64_t{1} << 20U);
}

// Rounds of `candidates` candidates until the time is over.
template <class Round>
double candidates_per_second(std::size_t candidates, const Round& round) {
  round();
  const auto start = std::chrono::steady_clock::now();
  std::size_t rounds = 0;
  double seconds = 0;
  while (seconds < kSeconds) {
    round();
    ++rounds;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return static_cast<double>(rounds * candidates) / seconds;
}

}  // namespace

double host_step_speed(const kernels::Backend& backend, std::size_t threads, const StepShape& shape) {
  const StepShape rehearsed = at_most(shape);
  memory::Pool pool(threads * bytes_for(rehearsed, 1));
  Place<Space::kHost> place(pool);
  std::vector<std::unique_ptr<Rehearsal<Space::kHost>>> rehearsals;
  for (std::size_t i = 0; i < threads; ++i)
    rehearsals.push_back(std::make_unique<Rehearsal<Space::kHost>>(place, backend, rehearsed, 1));
  return candidates_per_second(threads * kTile,
                               [&] { parallel_for(threads, threads, [&](std::size_t i) { rehearsals[i]->run(); }); });
}

double device_step_speed(const DeviceShare& share, const std::string& products, const StepShape& shape) {
  const StepShape rehearsed = at_most(shape);
  const kernels::Products kind = find_products(products);
  const std::uint64_t workspace_bytes = kernels::workspace_bytes(kind, {});
  std::size_t tiles = kMostDeviceTiles;
  while (tiles > 1 && bytes_for(rehearsed, tiles) + workspace_bytes > share.bytes) tiles /= 2;
  memory::DevicePool pool(share.device, bytes_for(rehearsed, tiles) + workspace_bytes);
  const device::Stream work(share.device);
  Place<Space::kDevice> place(pool, work.view(), work.view());
  const auto workspace = place.allocate<std::byte>(Tag::kLogits, workspace_bytes);
  const auto kernels = kernels::make_device_kernels(work.view(), kind, workspace.span());
  Rehearsal<Space::kDevice> rehearsal(place, kernels->backend(), rehearsed, tiles);
  return candidates_per_second(tiles * kTile, [&] {
    rehearsal.run();
    place.finish();
  });
}

}  // namespace tessera::train
