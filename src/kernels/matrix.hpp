// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/space.hpp"
#include "device/span.hpp"

#include <cstddef>
#include <span>
#include <type_traits>

namespace tessera::kernels {

using device::Space;

/// A row-major view; `stride` is the distance between rows in elements. Views of host and device memory are different
/// types: data of the latter cannot be read here.
template <Space kSpace>
struct BasicConstMatrix {
  const float* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;
  [[nodiscard]] const float* row(std::size_t i) const { return data + i * stride; }
  [[nodiscard]] BasicConstMatrix block(std::size_t first, std::size_t count) const {
    return {row(first), count, cols, stride};
  }
  [[nodiscard]] BasicConstMatrix columns(std::size_t first, std::size_t count) const {
    return {data + first, rows, count, stride};
  }
};

template <Space kSpace>
struct BasicMatrix {
  float* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;
  [[nodiscard]] float* row(std::size_t i) const { return data + i * stride; }
  [[nodiscard]] BasicMatrix block(std::size_t first, std::size_t count) const {
    return {row(first), count, cols, stride};
  }
  [[nodiscard]] BasicMatrix columns(std::size_t first, std::size_t count) const {
    return {data + first, rows, count, stride};
  }
  // NOLINTNEXTLINE(google-explicit-constructor): a view of const is always allowed
  operator BasicConstMatrix<kSpace>() const { return {data, rows, cols, stride}; }
};

using ConstMatrix = BasicConstMatrix<Space::kHost>;
using Matrix = BasicMatrix<Space::kHost>;
using ConstDeviceMatrix = BasicConstMatrix<Space::kDevice>;
using DeviceMatrix = BasicMatrix<Space::kDevice>;

/// A view of consecutive elements: std::span on the host, device::Span on a device.
template <Space kSpace, class T>
using Vector = std::conditional_t<kSpace == Space::kHost, std::span<T>, device::Span<T>>;

}  // namespace tessera::kernels
