// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Ranking on a device: the ranks of the host, and products whose error is below the bound that screening goes by.

#include "comm/thread/thread_communicator.hpp"
#include "device/device.hpp"
#include "device/memory.hpp"
#include "evaluate/evaluator.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "support/model_fixture.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace tessera {
namespace {

using kernels::Products;

std::string rank_digest(const test::StoredGraph& stored, const test::ModelValues& values, std::int32_t ranks,
                        Products products, std::uint64_t device_bytes) {
  std::string digest;
  comm::run_ranks(ranks, [&](comm::Communicator& comm) {
    memory::Pool pool(64U << 20U);
    std::optional<memory::DevicePool> device_pool;
    if (device_bytes > 0) device_pool.emplace(device::Device::open(0), device_bytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, values.job(), model::StateShape::kNone, pool);
    fill(values, shard, parameters);
    const evaluate::Options options{.block_queries = 100};
    execution::HostExecutor host(pool, kernels::cpu_backend(), execution::HostThreads(1));
    const search::Setup setup{{comm, shard, host}, parameters};
    evaluate::Evaluator evaluator(
        setup, options, device_pool ? search::rank_on_device(*device_pool, products) : search::rank_on_host());
    if (device_pool) {  // what was planned was taken, byte for byte
      const search::Sizes sizes = search::device_sizes(setup, evaluator.block_queries(), products, false);
      const search::Plan plan = search::plan_ranking(sizes, device_pool->budget_bytes());
      EXPECT_EQ(device_pool->used_bytes(),
                search::RankerOn<kernels::Space::kDevice>::bytes(sizes, plan) + search::executor_bytes(sizes, plan));
    }
    const std::string mine = evaluator.run(graph::Split::kTest).rank_digest;
    EXPECT_EQ(evaluator.run(graph::Split::kTest).rank_digest, mine);
    if (comm.is_root()) digest = mine;
  });
  return digest;
}

TEST(EvaluateOnDevice, HasTheRanksOfTheHost) {
  const test::StoredGraph stored(test::random_graph({.entities = 3000, .train = 4000, .test = 300}), 3);
  test::ModelValues model;
  model.dim = 100;
  for (const char* scorer : {"complex", "transe_l1", "transe_l2"})
    for (const test::Entry& entity : {test::normals(1), test::small_integers(1)}) {
      model.scorer = scorer;
      model.entity = entity;
      const std::string expected = rank_digest(stored, model, 1, Products::kChain, 0);
      for (const Products products : {Products::kChain, Products::kFp32, Products::kTf32, Products::kBfloat16}) {
        if (model.scorer != "complex" && products != Products::kChain) continue;  // distances are chains
        for (const std::int32_t ranks : {1, 2})
          for (const std::uint64_t mebibytes : {34, 256})  // cuBLAS takes 32: windows of rows, and all of them
            EXPECT_EQ(rank_digest(stored, model, ranks, products, mebibytes << 20U), expected)
                << scorer << ", products " << static_cast<int>(products) << ", " << ranks << " ranks, " << mebibytes;
      }
    }
}

struct OnDevice {
  OnDevice(device::StreamView stream, const std::vector<float>& values)
      : block(stream.device(), values.size() * sizeof(float)) {
    device::copy_bytes(std::as_bytes(std::span(values)), block.span(), stream);
    stream.synchronize();  // the values may go
  }
  [[nodiscard]] device::Span<float> span(std::size_t count) const {
    return {reinterpret_cast<float*>(block.span().data()), count};
  }
  [[nodiscard]] kernels::DeviceMatrix view(std::size_t rows, std::size_t cols) const {
    return {span(rows * cols).data(), rows, cols, cols};
  }
  device::Block block;
};

// Half of the vectors are just below the middle of two numbers in bfloat16: their roundings all go one way.
TEST(EvaluateOnDevice, ProductsAreWithinTheirBound) {
  const device::Stream stream(device::Device::open(0));
  for (const std::size_t dim : {1, 64, 200, 2000, 4096})
    for (const Products products : {Products::kFp32, Products::kTf32, Products::kBfloat16}) {
      constexpr std::size_t kCount = 192;
      std::mt19937 engine(static_cast<std::uint32_t>(dim));
      std::normal_distribution<float> normal;
      std::vector<float> vectors(kCount * dim);
      for (std::size_t k = 0; k < vectors.size(); ++k)
        vectors[k] = k / dim % 2 == 0 ? normal(engine) : 1 + static_cast<float>(engine() % 64) * 0x1p-7F + 0x1.fep-9F;
      const OnDevice left(stream.view(), vectors);
      const OnDevice norms(stream.view(), std::vector<float>(kCount));
      const OnDevice scores(stream.view(), std::vector<float>(kCount * kCount));
      const OnDevice chains(stream.view(), std::vector<float>(kCount * kCount));
      const device::Block workspace(stream.view().device(), workspace_bytes(products, {kCount, kCount, dim}));
      const auto kernels = kernels::make_device_kernels(stream.view(), products, workspace.span());
      const auto exact = kernels::make_device_kernels(stream.view(), Products::kChain, {});
      const auto view = left.view(kCount, dim);
      kernels->backend().scores.all_pairs(kernels::Similarity::kDot, view, view, scores.view(kCount, kCount));
      exact->backend().scores.all_pairs(kernels::Similarity::kDot, view, view, chains.view(kCount, kCount));
      kernels->backend().screening.ranks->norms(view, norms.span(kCount));
      std::vector<float> host_scores(kCount * kCount);
      std::vector<float> host_chains(kCount * kCount);
      std::vector<float> host_norms(kCount);
      const auto fetch = [&](const OnDevice& from, std::vector<float>& to) {
        device::copy_bytes(from.block.span(), std::as_writable_bytes(std::span(to)), stream.view());
      };
      fetch(scores, host_scores);
      fetch(chains, host_chains);
      fetch(norms, host_norms);
      stream.view().synchronize();
      const float factor = kernels::score_error_factor(kernels::operand_roundoff(products), dim);
      for (std::size_t i = 0; i < kCount; ++i)
        for (std::size_t j = 0; j < kCount; ++j)
          ASSERT_LE(std::abs(host_scores[i * kCount + j] - host_chains[i * kCount + j]),
                    factor * host_norms[i] * host_norms[j])
              << "dim " << dim << ", products " << static_cast<int>(products);
    }
}

}  // namespace
}  // namespace tessera
