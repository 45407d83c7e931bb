// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <type_traits>

namespace tessera::device {

/// A view of `size` elements in device memory. Unlike std::span it cannot be read on the host, and neither turns into
/// the other: passing one for the other does not compile.
template <class T>
class Span {
 public:
  constexpr Span() = default;
  constexpr Span(T* data, std::size_t size) : data_(data), size_(size) {}
  /// A view of const is always allowed.
  template <class U>
  requires(!std::is_same_v<U, T> && std::is_same_v<const U, T>)
      // NOLINTNEXTLINE(google-explicit-constructor)
      constexpr Span(Span<U> other)
      : data_(other.data()), size_(other.size()) {}

  /// An address in the device's memory, for a kernel or a transfer.
  [[nodiscard]] constexpr T* data() const { return data_; }
  [[nodiscard]] constexpr std::size_t size() const { return size_; }
  [[nodiscard]] constexpr std::size_t size_bytes() const { return size_ * sizeof(T); }
  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  [[nodiscard]] constexpr Span subspan(std::size_t first, std::size_t count) const { return {data_ + first, count}; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The bytes of a view.
template <class T>
auto as_bytes(Span<T> span) {
  using Byte = std::conditional_t<std::is_const_v<T>, const std::byte, std::byte>;
  return Span<Byte>(reinterpret_cast<Byte*>(span.data()), span.size_bytes());
}

}  // namespace tessera::device
