mod broken;
mod excused;
mod good;
mod recording;
mod story;
