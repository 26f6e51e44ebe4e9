"""The addresses of the views."""

from django.urls import path

from benchmarks.web import views

urlpatterns = [
    path("empty", views.empty),
    path("one", views.one_query),
    path("five", views.five_queries),
    path("who", views.who),
    path("wait", views.wait),
]
