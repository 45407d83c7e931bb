// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/unpack.hpp"

#include "packing/bits.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "packing/unpack.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "packing/detail/kernels-inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::packing::detail {
namespace HWY_NAMESPACE {

void unpack_all(const std::uint8_t* bytes, unsigned width, std::size_t count, std::uint32_t* out) {
  unpack_numbers(bytes, width, count, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::packing::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::packing {
namespace detail {

HWY_EXPORT(unpack_all);

namespace {
void unpack_widest(const std::uint8_t* bytes, unsigned width, std::size_t count, std::uint32_t* out) {
  HWY_DYNAMIC_DISPATCH(unpack_all)(bytes, width, count, out);
}
}  // namespace

}  // namespace detail

void unpack_reference(const std::uint8_t* bytes, unsigned width, std::size_t count, std::uint32_t* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<std::uint32_t>(load_bits(bytes, i * width, width));
}

void unpack(const std::uint8_t* bytes, unsigned width, std::size_t count, std::uint32_t* out) {
  detail::unpack_widest(bytes, width, count, out);
}

}  // namespace tessera::packing
#endif
