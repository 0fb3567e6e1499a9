"""Regions: atlases, masks and spheres read, placed on the images' grid, and analysed."""
