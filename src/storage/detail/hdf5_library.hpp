// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shared by the two halves of the HDF5 layer; the only place besides them that sees hdf5.h.

#include "core/error.hpp"
#include "storage/hdf5.hpp"

#include <hdf5.h>

#include <mutex>
#include <string>
#include <string_view>

namespace tessera::storage::detail {

/// The packaged library is not thread safe: every public call of this layer holds this lock.
inline std::recursive_mutex& library_lock() {
  static std::recursive_mutex mutex;
  return mutex;
}

template <herr_t (*Function)(hid_t)>
int close_with(std::int64_t id) {
  return Function(id);
}

/// Silences the library's own error printing, which some builds of it set for each thread, and loading of plug-ins.
inline void prepare_library() {
  static thread_local const bool done = [] {
    (void)
        H5dont_atexit();  // closing what failed on a full disk would crash at exit; fails where HDF5 is in use already
    if (H5open() < 0 || H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) < 0 || H5PLset_loading_state(0) < 0)
      fail(ExitStatus::kInternal, "the HDF5 library cannot be started");
    return true;
  }();
  (void)done;
}

/// Files appear whole under their names and are not changed afterwards, so nobody needs the library's locks. Some file
/// systems have none.
inline herr_t leave_out_locks(hid_t access) { return H5Pset_file_locking(access, false, true); }

/// Of a call of the system that failed, HDF5 describes everything: its reason is enough.
inline std::string without_details(const std::string& description) {
  constexpr std::string_view kReason = "error message = '";
  const std::size_t reason = description.find(kReason);
  const std::size_t end = description.find('\'', reason + kReason.size());
  if (reason == std::string::npos || end == std::string::npos) return description;
  return description.substr(0, description.find(": time = ")) + ": " +
         description.substr(reason + kReason.size(), end - reason - kReason.size());
}

/// The innermost description on the error stack of the library.
inline std::string library_message() {
  std::string message;
  const herr_t walked = H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned depth, const H5E_error2_t* error, void* out) -> herr_t {
        if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
        return 0;
      },
      &message);
  return walked < 0 || message.empty() ? "unknown reason" : without_details(message);
}

inline hid_t memory_type(ElementType type) {
  switch (type) {
    case ElementType::kU8: return H5T_NATIVE_UINT8;
    case ElementType::kU16: return H5T_NATIVE_UINT16;
    case ElementType::kU32: return H5T_NATIVE_UINT32;
    case ElementType::kU64: return H5T_NATIVE_UINT64;
    case ElementType::kI64: return H5T_NATIVE_INT64;
    case ElementType::kF32: return H5T_NATIVE_FLOAT;
    case ElementType::kF64: return H5T_NATIVE_DOUBLE;
  }
  return H5I_INVALID_HID;
}

inline hid_t file_type(ElementType type) {
  switch (type) {
    case ElementType::kU8: return H5T_STD_U8LE;
    case ElementType::kU16: return H5T_STD_U16LE;
    case ElementType::kU32: return H5T_STD_U32LE;
    case ElementType::kU64: return H5T_STD_U64LE;
    case ElementType::kI64: return H5T_STD_I64LE;
    case ElementType::kF32: return H5T_IEEE_F32LE;
    case ElementType::kF64: return H5T_IEEE_F64LE;
  }
  return H5I_INVALID_HID;
}

inline constexpr const char* kDigestAttribute = "xxh3_128";

}  // namespace tessera::storage::detail
