// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// HDF5 files made with the C library itself: what Tessera never writes but may be given.

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace tessera::test {

inline std::vector<char> read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_bytes(const std::filesystem::path& file, const std::vector<char>& bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// An HDF5 file under construction; closed with everything in it at the end of its life.
class RawFile {
 public:
  explicit RawFile(const std::filesystem::path& path) : path_(path) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    id_ = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
  }
  ~RawFile() { H5Fclose(id_); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  [[nodiscard]] hid_t id() const { return id_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  hid_t dataset(const std::string& name, hid_t type, const std::vector<hsize_t>& extent,
                hid_t creation = H5P_DEFAULT) const {
    const hid_t space = extent.empty() ? H5Screate(H5S_SCALAR)
                                       : H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr);
    return H5Dcreate2(id_, name.c_str(), type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  }
  hid_t group(const std::string& name) const {
    return H5Gcreate2(id_, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  }

  void attribute(const std::string& object, const std::string& name, hid_t type, const void* value,
                 const std::vector<hsize_t>& extent = {}) const {
    const hid_t space = extent.empty() ? H5Screate(H5S_SCALAR)
                                       : H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr);
    const hid_t opened = H5Oopen(id_, object.c_str(), H5P_DEFAULT);
    const hid_t attribute = H5Acreate2(opened, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (value != nullptr) H5Awrite(attribute, type, value);
    H5Aclose(attribute);
    H5Oclose(opened);
  }
  void attribute(const std::string& object, const std::string& name, const std::string& value) const {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, value.empty() ? 1 : value.size());
    H5Tset_cset(type, H5T_CSET_UTF8);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    attribute(object, name, type, value.c_str());
  }
  void attribute(const std::string& object, const std::string& name, std::uint64_t value) const {
    attribute(object, name, H5T_STD_U64LE, &value);
  }

 private:
  std::filesystem::path path_;
  hid_t id_ = -1;
};

}  // namespace tessera::test
