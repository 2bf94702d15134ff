"""Package repositories that the tests make, with rpmbuild and createrepo_c, and serve."""
