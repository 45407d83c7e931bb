// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "device/memory.hpp"
#include "gpu/staged_backend.hpp"
#include "kernels/cuda/device_kernels.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <type_traits>

// Copies of arguments on device 0, for the families of staged_backend().
namespace tessera::kernels::testing::staged {

using Indices = std::span<const std::uint32_t>;

struct OpenDevice {
  device::Device device = device::Device::open(0);
  device::Stream stream{device};
  std::unique_ptr<DeviceKernels> kernels = make_device_kernels(stream.view(), Products::kChain, {});
};

inline OpenDevice& opened() {
  static OpenDevice instance;
  return instance;
}

inline const DeviceBackend& on_device() { return opened().kernels->backend(); }

/// A copy of consecutive elements on the device.
template <class T>
class Elements {
 public:
  explicit Elements(std::span<const T> host)
      : block_(opened().device, std::max<std::size_t>(1, host.size_bytes())),
        view_(reinterpret_cast<T*>(block_.span().data()), host.size()) {
    device::copy(host, view_, opened().stream.view());
  }
  [[nodiscard]] device::Span<T> view() const { return view_; }
  void back_to(std::span<T> host) const {
    device::copy(device::Span<const T>(view_), host, opened().stream.view());
    opened().stream.view().synchronize();
  }

 private:
  device::Block block_;
  device::Span<T> view_;
};

template <class T>
Elements(std::span<T>) -> Elements<std::remove_const_t<T>>;

/// The contract of a host backend: the device itself does not notice an index outside of its table.
inline void check_below(Indices indices, std::size_t rows) {
  for (const std::uint32_t index : indices) TESSERA_ASSERT(index < rows, "row index outside the table");
}

inline std::size_t extent(const auto& matrix) {
  return matrix.rows == 0 ? 0 : (matrix.rows - 1) * matrix.stride + matrix.cols;
}

/// A copy of a matrix and of what lies between its rows.
class Grid {
 public:
  explicit Grid(ConstMatrix host) : host_(host), elements_(std::span<const float>(host.data, extent(host))) {}
  [[nodiscard]] DeviceMatrix view() const { return {elements_.view().data(), host_.rows, host_.cols, host_.stride}; }
  void back_to(Matrix host) const { elements_.back_to({host.data, extent(host)}); }

 private:
  ConstMatrix host_;
  Elements<float> elements_;
};

/// A copy of a table of any format, and of what lies between its rows.
class StoredGrid {
 public:
  explicit StoredGrid(ConstStoredRows host, Rounding rounding = {})
      : host_(host),
        rounding_(rounding),
        bytes_(std::span<const std::byte>(host.data, bytes_of(host))),
        hot_(host.hot) {}
  explicit StoredGrid(StoredRows host) : StoredGrid(ConstStoredRows(host), host.rounding) {}
  [[nodiscard]] BasicStoredRows<Space::kDevice> view() const {
    BasicStoredRows<Space::kDevice> rows(host_.format, bytes_.view().data(), host_.rows, host_.cols, host_.stride);
    rows.hot = hot_.view();
    rows.rounding = rounding_;
    return rows;
  }
  void back_to(StoredRows host) const {
    bytes_.back_to({host.data, bytes_of(host)});
    hot_.back_to(host.hot);
  }

 private:
  static std::size_t bytes_of(const ConstStoredRows& table) {
    return table.rows == 0 ? 0 : (table.rows - 1) * table.stride + row_bytes(table.format, table.cols);
  }
  ConstStoredRows host_;
  Rounding rounding_;
  Elements<std::byte> bytes_;
  Grid hot_;
};

/// A copy of states of any format, and of what lies between them.
class StateGrid {
 public:
  explicit StateGrid(const StoredState& host) : host_(host), bytes_(bytes_of(host)) {}
  [[nodiscard]] BasicStoredState<Space::kDevice> view() const {
    return {host_.format, bytes_.view().data(), host_.rows, host_.cols, host_.stride};
  }
  void back_to_host() const { bytes_.back_to(bytes_of(host_)); }

 private:
  static std::span<std::byte> bytes_of(const StoredState& state) {
    return {state.data, state.rows == 0 ? 0 : (state.rows - 1) * state.stride + state_bytes(state.format, state.cols)};
  }
  StoredState host_;
  Elements<std::byte> bytes_;
};

/// Calls body(copy of out on the device) and brings the result back.
template <class T, class Body>
void through(std::span<T> out, const Body& body) {
  const Elements result(out);
  body(result.view());
  result.back_to(out);
}

const Composition& composition();
const Penalties& penalties();
const Targets& targets();
const Statistics& statistics();
const NegativeLosses& negative_losses();
const Distances& distances();
const BestRows& best_rows();

}  // namespace tessera::kernels::testing::staged
