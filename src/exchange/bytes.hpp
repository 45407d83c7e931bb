// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/memory.hpp"
#include "kernels/stored_rows.hpp"

#include <cstddef>
#include <span>

namespace tessera::exchange {

/// The bytes of a view, for a transfer.
template <class T>
std::span<std::byte> bytes_of(std::span<T> span) {
  return std::as_writable_bytes(span);
}
template <class T>
device::Span<std::byte> bytes_of(device::Span<T> span) {
  return device::as_bytes(span);
}
/// The bytes of a matrix whose rows have no gaps.
template <kernels::Space kSpace>
kernels::Vector<kSpace, std::byte> bytes_of(kernels::BasicMatrix<kSpace> rows) {
  return bytes_of(kernels::Vector<kSpace, float>(rows.data, rows.rows * rows.cols));
}

/// The bytes of stored rows without gaps.
template <kernels::Space kSpace>
kernels::Vector<kSpace, std::byte> bytes_of(const kernels::BasicStoredRows<kSpace>& rows) {
  return {rows.data, rows.rows * rows.stride};
}

}  // namespace tessera::exchange
