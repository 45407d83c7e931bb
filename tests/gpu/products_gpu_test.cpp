// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Products by cuBLAS against double precision. The chains have the contract suites.
#include "device/device.hpp"
#include "device/memory.hpp"
#include "device/stream.hpp"
#include "kernels/cuda/device_kernels.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace tessera::kernels {
namespace {

constexpr ProductSizes kSizes{96, 200, 64};

/// A matrix on both sides.
class Both {
 public:
  Both(device::StreamView stream, std::size_t rows, std::size_t cols, std::uint32_t seed)
      : host(rows * cols), stream_(stream), block_(stream.device(), rows * cols * sizeof(float)) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    for (float& value : host) value = normal(engine);
    device::copy_bytes(std::as_bytes(std::span(host)), block_.span(), stream);
    view = {reinterpret_cast<float*>(block_.span().data()), rows, cols, cols};
  }
  void fetch() {
    device::copy_bytes(block_.span(), std::as_writable_bytes(std::span(host)), stream_);
    stream_.synchronize();
  }
  std::vector<float> host;
  DeviceMatrix view;

 private:
  device::StreamView stream_;
  device::Block block_;
};

/// Relative to the sum of magnitudes: rounding of both operands, to nearest in bfloat16 and perhaps cut off in TF32,
/// and a sum in fp32.
double tolerance(Products products) {
  const double operands = products == Products::kBfloat16 ? 0x1p-8 : products == Products::kTf32 ? 0x1p-9 : 0;
  return operands + 256 * 0x1p-24;
}

template <class Left, class Right>
void expect_product(const Both& out, std::size_t steps, Products products, const Left& left, const Right& right) {
  for (std::size_t i = 0; i < out.view.rows; ++i)
    for (std::size_t j = 0; j < out.view.cols; ++j) {
      double sum = 0;
      double magnitude = 0;
      for (std::size_t s = 0; s < steps; ++s) {
        const double term = static_cast<double>(left(i, s)) * right(s, j);
        sum += term;
        magnitude += std::abs(term);
      }
      ASSERT_NEAR(out.host[i * out.view.cols + j], sum, tolerance(products) * magnitude) << i << ", " << j;
    }
}

class ProductsGpu : public ::testing::TestWithParam<Products> {};
INSTANTIATE_TEST_SUITE_P(All, ProductsGpu, ::testing::Values(Products::kFp32, Products::kTf32, Products::kBfloat16));

TEST_P(ProductsGpu, AgreeWithDoublePrecision) {
  const auto [b, n, d] = kSizes;
  const device::Device device = device::Device::open(0);
  const device::Stream stream(device);
  const device::Block workspace(device, workspace_bytes(GetParam(), kSizes));
  const auto kernels = make_device_kernels(stream.view(), GetParam(), workspace.span());
  Both queries(stream.view(), b, d, 1);
  Both rows(stream.view(), n, d, 2);
  Both weights(stream.view(), b, n, 3);
  Both factors(stream.view(), b, 1, 4);
  Both scores(stream.view(), b, n, 5);
  Both to_queries(stream.view(), b, d, 6);
  Both to_rows(stream.view(), n, d, 7);
  Both scaled(stream.view(), n, d, 8);
  const DeviceBackend& backend = kernels->backend();
  backend.scores.all_pairs(Similarity::kDot, queries.view, rows.view, scores.view);
  backend.gradients.to_queries(weights.view, rows.view, to_queries.view);
  backend.gradients.to_rows(weights.view, queries.view, to_rows.view);
  backend.gradients.to_rows_tiled({weights.view, {factors.view.data, 1, b, b}, n}, queries.view, scaled.view);
  for (Both* out : {&scores, &to_queries, &to_rows, &scaled}) out->fetch();
  const auto at = [](const Both& matrix) {
    return [&](std::size_t i, std::size_t j) { return matrix.host[i * matrix.view.cols + j]; };
  };
  const auto turned = [](const Both& matrix) {
    return [&](std::size_t i, std::size_t j) { return matrix.host[j * matrix.view.cols + i]; };
  };
  expect_product(scores, d, GetParam(), at(queries), turned(rows));
  expect_product(to_queries, n, GetParam(), at(weights), at(rows));
  expect_product(to_rows, b, GetParam(), turned(weights), at(queries));
  expect_product(scaled, b, GetParam(), turned(weights),
                 [&](std::size_t i, std::size_t c) { return factors.host[i] * at(queries)(i, c); });
}

// Over 201 columns, whose copies have padded rows; the workspace has no room for the operands that are packed.
TEST_P(ProductsGpu, PackedOperandsGiveTheSameBits) {
  constexpr std::size_t kTile = 64;
  constexpr ProductSizes kOdd{96, 201, 63};
  const auto [b, n, d] = kOdd;
  const device::Device device = device::Device::open(0);
  const device::Stream stream(device);
  const device::Block workspace(device, workspace_bytes(GetParam(), kOdd));
  const device::Block small(device, workspace_bytes(GetParam(), {}));
  const auto converting = make_device_kernels(stream.view(), GetParam(), workspace.span());
  const auto packing = make_device_kernels(stream.view(), GetParam(), small.span());
  Both queries(stream.view(), b, d, 1);
  Both rows(stream.view(), n, d, 2);
  Both weights(stream.view(), b, n, 3);
  Both factors(stream.view(), 4, b, 4);
  Both scores[2]{{stream.view(), b, n, 5}, {stream.view(), b, n, 6}};
  Both to_queries[2]{{stream.view(), b, d, 7}, {stream.view(), b, d, 8}};
  Both to_rows[2]{{stream.view(), n, d, 9}, {stream.view(), n, d, 10}};
  const auto multiply = [&](const DeviceBackend& backend, const BasicOperand<Space::kDevice>& left,
                            const BasicOperand<Space::kDevice>& right, const BasicTiledWeights<Space::kDevice>& tiled,
                            std::size_t k) {
    backend.scores.all_pairs(Similarity::kDot, left, right, scores[k].view);
    backend.rows.fill(0, to_queries[k].view);
    backend.gradients.add_to_queries_tiled(tiled, right, {}, to_queries[k].view);
    backend.gradients.to_rows_tiled(tiled, left, to_rows[k].view);
    for (Both* out : {&scores[k], &to_queries[k], &to_rows[k]}) out->fetch();
  };
  const BasicTiledWeights<Space::kDevice> tiled{weights.view, factors.view, kTile};
  multiply(converting->backend(), queries.view, rows.view, tiled, 0);
  const auto& gradients = packing->backend().gradients;
  const device::Block packed_queries(device, gradients.packed_bytes(b, d) + 1);
  const device::Block packed_rows(device, gradients.packed_bytes(n, d) + 1);
  const device::Block packed_weights(device, gradients.packed_weight_bytes(b, n) + 1);
  multiply(packing->backend(), gradients.pack(queries.view, packed_queries.span()),
           gradients.pack(rows.view, packed_rows.span()), gradients.pack(tiled, packed_weights.span()), 1);
  EXPECT_EQ(scores[1].host, scores[0].host);
  EXPECT_EQ(to_queries[1].host, to_queries[0].host);
  EXPECT_EQ(to_rows[1].host, to_rows[0].host);
}

}  // namespace
}  // namespace tessera::kernels
